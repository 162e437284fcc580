/** The engine contract on the replicated engine over a real Kafka broker. */
import { openReplicated } from '../../src/engines/replicated';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { describeWithKafka, KAFKA_START_MS, startKafka, type KafkaProcess } from '../support/kafka';
import { createRecordingLog } from '../support/log';
import { describeEngineContract } from './engine-contract';

describeWithKafka('over Kafka', () => {
  let broker: KafkaProcess;
  let count = 0;

  beforeAll(async () => {
    broker = await startKafka();
  }, KAFKA_START_MS);
  afterAll(() => broker.stop());

  describeEngineContract('replicated over Kafka', async () => {
    count += 1;
    const engine = await openReplicated({
      bus: { kind: 'kafka', kafka: broker.address, topic: `contract-${count}` },
      bytesMax: 256 * 1024 * 1024,
      clock,
      log: createRecordingLog(),
      onChanged: () => undefined,
      load: undefined,
    });
    await eventually(() => engine.ready());
    return engine;
  });
});
