/** Whether an experiment's name has in it what was typed, without regard to case. */
export function hasInIt(name: string, typed: string): boolean {
  return name.toLowerCase().includes(typed.trim().toLowerCase());
}
