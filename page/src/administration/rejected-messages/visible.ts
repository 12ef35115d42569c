/**
 * Invisible characters that could mislead: control characters except line breaks and tabs,
 * characters that change the text direction, and those of zero width.
 */
const HIDDEN = /[\p{Control}\p{Format}\u2028\u2029]/gu;

/** The text with what would not be seen in it made visible, such as `⟨U+202E⟩`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) =>
    character === "\n" || character === "\t" ? character : `⟨${codePoint(character)}⟩`,
  );
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}
