/** Whether the longer variants run as well: those that need a broker, or more time than a build has. */
export const isLong = process.env.TALLYLINE_HOSTILE === 'long';
