/** The table of all nodes: who can be used, and how far behind its master each is. */
import { byId, byteCount, create, figure, setText } from './dom.js';

const COLUMNS = [
  { name: 'Node', tell: ({ address }) => address },
  { name: 'Shard', tell: ({ shard }) => shard },
  { name: 'Role', tell: ({ role }) => role },
  { name: 'Health', tell: ({ healthy }) => (healthy ? 'healthy' : 'down'), mark: ({ healthy }) => healthy },
  { name: 'Link', tell: ({ link_up: up }) => told(up, 'up', 'down'), mark: ({ link_up: up }) => up },
  { name: 'Lag', tell: ({ lag_bytes: lag }) => (lag === null ? '–' : byteCount(lag)), isNumber: true },
  {
    name: 'In flight',
    tell: ({ in_flight: count }) => (count === null ? '–' : figure(count)),
    isNumber: true,
  },
  {
    name: 'Announces',
    tell: ({ announces }) => told(announces, 'yes', 'no'),
    mark: ({ announces }) => announces,
  },
];

/** null: not known, or not a thing that this node has. */
function told(fact, yes, no) {
  if (fact === null) return '–';
  return fact ? yes : no;
}

/** Shows what `GET /status` tells of the nodes. Cells that say the same as before are left alone. */
export function showNodes({ shards }) {
  const nodes = shards.flatMap(({ name, nodes: members }) =>
    members.map((node) => ({ ...node, shard: name })),
  );
  const rows = byId('nodes-rows');
  while (rows.children.length > nodes.length) rows.lastElementChild.remove();
  while (rows.children.length < nodes.length) rows.append(createRow());
  nodes.forEach((node, index) => fillRow(rows.children[index], node));
  byId('nodes-body').hidden = false;
  setText(byId('nodes-note'), '');
}

/** `note` says why there is nothing. */
export function clearNodes(note) {
  byId('nodes-body').hidden = true;
  byId('nodes-rows').replaceChildren();
  setText(byId('nodes-note'), note);
}

function createRow() {
  const heads = byId('nodes-head').children;
  const cells = COLUMNS.map(({ name, isNumber }, index) => {
    const cell = create(index === 0 ? 'th' : 'td', { className: isNumber ? 'number' : '' });
    if (index === 0) cell.scope = 'row';
    // A narrow screen has no room for the head of the table: there each cell says its column.
    cell.dataset.label = name;
    cell.title = heads[index].title;
    return cell;
  });
  return create('tr', {}, ...cells);
}

function fillRow(row, node) {
  COLUMNS.forEach(({ tell, mark }, index) => {
    const cell = row.children[index];
    setText(cell, tell(node));
    const tone = mark?.(node);
    cell.dataset.tone = tone === undefined || tone === null ? '' : tone ? 'good' : 'bad';
  });
}
