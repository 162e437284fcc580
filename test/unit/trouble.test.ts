import { Trouble } from '../../src/redis/trouble';

function createTrouble() {
  const told: string[] = [];
  return { told, trouble: new Trouble((reason) => told.push(reason)) };
}

describe('trouble', () => {
  it('is told once for as long as its reason stays the same', () => {
    const { told, trouble } = createTrouble();
    for (const reason of ['refused', 'refused', 'NOAUTH', 'NOAUTH', 'refused']) trouble.meet(reason);
    expect(told).toEqual(['refused', 'NOAUTH', 'refused']);
  });

  it('that comes back after its end is told again', () => {
    const { told, trouble } = createTrouble();
    trouble.meet('refused');
    trouble.end();
    trouble.meet('refused');
    expect(told).toEqual(['refused', 'refused']);
  });

  it('says at its end whether there was any', () => {
    const { trouble } = createTrouble();
    expect(trouble.end()).toBe(false);
    trouble.meet('refused');
    expect(trouble.end()).toBe(true);
    expect(trouble.end()).toBe(false);
  });
});
