/** A moment that the service gave, to the second and in UTC. */
export function utcTime(moment: string): string {
  return `${moment.slice(0, 19).replace("T", " ")} UTC`;
}

/** The hour of a moment that is exact to the hour. */
export function utcHour(moment: string): string {
  return `${moment.slice(0, 16).replace("T", " ")} UTC, within the hour`;
}
