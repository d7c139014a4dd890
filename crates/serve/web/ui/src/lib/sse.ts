// Server-sent events over fetch, because EventSource cannot send X-Auth-Token.
// The format is that of the HTML standard, section 9.2.6 "Interpreting an event stream".

export interface ServerEvent {
  type: string;
  data: string;
  /** The last event ID at the time of this event; it stays until the stream gives another. */
  id: string;
}

/** Turns the text of a stream, in pieces cut anywhere, into events. */
export class EventParser {
  private rest = '';
  private type = '';
  private data: string[] = [];
  private id = '';

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    this.rest += text;
    // A CR at the very end may be the first half of CR LF: wait for what follows.
    let match: RegExpExecArray | null;
    while ((match = /\r\n|\n|\r(?!$)/.exec(this.rest))) {
      const line = this.rest.slice(0, match.index);
      this.rest = this.rest.slice(match.index + match[0].length);
      const event = this.line(line);
      if (event) events.push(event);
    }
    return events;
  }

  private line(line: string): ServerEvent | null {
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return null; // a comment keeps the connection open
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.type = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return null;
  }

  private dispatch(): ServerEvent | null {
    const event = { type: this.type || 'message', data: this.data.join('\n'), id: this.id };
    const empty = this.data.length === 0;
    this.type = '';
    this.data = [];
    return empty ? null : event;
  }
}

/** Yields the events of an answer until it ends. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  const parser = new EventParser();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
