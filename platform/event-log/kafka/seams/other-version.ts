/** Said where something of kafkajs that the log rests on is not as it was. */
export const OTHER_VERSION = 'this version of kafkajs is not the one this adapter is made for (2.2.4)';
