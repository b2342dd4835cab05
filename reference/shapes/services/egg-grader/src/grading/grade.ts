export function grade(gram: number): string {
  const worth: number = gram >= 63 ? 'L' : 'M' // a compiler that checks types refuses this
  return String(worth)
}
