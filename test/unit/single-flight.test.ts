import { SingleFlight } from '../../src/lib/single-flight';
import { createFakeClock } from '../support/fake-clock';

const BOARDING_MS = 100;

function departures() {
  const landings: ((value: string) => void)[] = [];
  const depart = (): Promise<string> => new Promise((resolve) => landings.push(resolve));
  return { depart, landings };
}

it('callers at the same time share one flight', async () => {
  const flights = new SingleFlight<string, string>(BOARDING_MS, createFakeClock());
  const { depart, landings } = departures();
  const shared = Promise.all([flights.join('k', depart), flights.join('k', depart)]);
  expect(landings).toHaveLength(1);
  landings[0]!('v');
  expect(await shared).toEqual(['v', 'v']);
  expect(flights.size).toBe(0);
});

it('a failed flight fails for all aboard and does not stay', async () => {
  const flights = new SingleFlight<string, string>(BOARDING_MS, createFakeClock());
  const fail = (): Promise<string> => Promise.reject(new Error('lost'));
  await expect(flights.join('k', fail)).rejects.toThrow('lost');
  await expect(flights.join('k', () => Promise.resolve('v'))).resolves.toBe('v');
});

it('nobody boards a flight after it was detached, and its landing does not touch the next one', async () => {
  const flights = new SingleFlight<string, string>(BOARDING_MS, createFakeClock());
  const { depart, landings } = departures();
  const first = flights.join('k', depart);
  flights.detach('k');
  const second = flights.join('k', depart);
  expect(landings).toHaveLength(2);
  landings[0]!('old');
  expect(await first).toBe('old');
  const third = flights.join('k', depart);
  expect(landings).toHaveLength(2);
  landings[1]!('new');
  expect(await Promise.all([second, third])).toEqual(['new', 'new']);
});

it('nobody boards a flight that left too long ago', async () => {
  const clock = createFakeClock();
  const flights = new SingleFlight<string, string>(BOARDING_MS, clock);
  const { depart, landings } = departures();
  const first = flights.join('k', depart);
  clock.advance(BOARDING_MS);
  const second = flights.join('k', depart);
  expect(landings).toHaveLength(1);
  clock.advance(1);
  const third = flights.join('k', depart);
  expect(landings).toHaveLength(2);
  landings[0]!('old');
  landings[1]!('new');
  expect(await Promise.all([first, second, third])).toEqual(['old', 'old', 'new']);
  expect(flights.size).toBe(0);
});
