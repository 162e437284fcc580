/** Whether doors of tests have their short ways: all suites are to pass without them too (`FAST_PATH=false`). */
export const HAS_SHORT_WAY = process.env.FAST_PATH !== 'false';
