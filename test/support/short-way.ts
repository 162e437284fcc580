/**
 * Whether doors of tests have their short ways; `FAST_PATH=false` takes them away. `npm run test:general-way` runs so the suites
 * that hold a door with a short way to its answers.
 */
export const HAS_SHORT_WAY = process.env.FAST_PATH !== 'false';
