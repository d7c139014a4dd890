// Runs a task on request: at once if it rested long enough, otherwise once when the rest is over, however often it was
// asked for. It never runs twice at the same time. So a burst of changes costs a bounded number of reads.

export interface Coalesced {
  (): void;
  cancel(): void;
}

export function coalesce(task: () => void | Promise<void>, restMs: number): Coalesced {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  let again = false;
  let last = -Infinity;

  async function run(): Promise<void> {
    timer = undefined;
    running = true;
    again = false;
    try {
      await task();
    } finally {
      running = false;
      last = performance.now();
      if (again) ask();
    }
  }

  function ask(): void {
    if (running) again = true;
    else timer ??= setTimeout(run, Math.max(0, last + restMs - performance.now()));
  }

  ask.cancel = () => {
    clearTimeout(timer);
    timer = undefined;
    again = false;
  };
  return ask;
}
