// Colours and labels of the map's canvas, taken from the page's tokens.
import type { Settings } from 'sigma/settings';
import type { NodeDisplayData, PartialButFor } from 'sigma/types';
import { INK, type Sign, type Tone } from './drawing';
import { tokenColor } from './theme.svelte';

export interface Palette {
  sign: Record<Sign, string>;
  tone: Record<Exclude<Tone, 'plain'>, string>;
  faded: string;
  edge: string;
  edgeFaint: string;
  edgeChosen: string;
  text: string;
  muted: string;
  surface: string;
  accent: string;
}

export function palette(): Palette {
  return {
    sign: Object.fromEntries(Object.entries(INK).map(([sign, token]) => [sign, tokenColor(token)])) as Record<Sign, string>,
    tone: { warning: tokenColor('--warn'), error: tokenColor('--error'), added: tokenColor('--ok'), removed: tokenColor('--error'), changed: tokenColor('--warn') },
    faded: tokenColor('--faded'),
    edge: tokenColor('--edge'),
    edgeFaint: tokenColor('--edge-faint'),
    edgeChosen: tokenColor('--edge-chosen'),
    text: tokenColor('--text'),
    muted: tokenColor('--muted'),
    surface: tokenColor('--surface'),
    accent: tokenColor('--accent'),
  };
}

type Drawn = PartialButFor<NodeDisplayData, 'x' | 'y' | 'size' | 'label' | 'color'> & { title?: string; major?: boolean; below?: boolean };
type Choices = Settings;

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Where labels already are in this frame. */
export class LabelSpace {
  private taken: Box[] = [];
  private open = false;

  /** `reserve` claims what must be kept free, once a frame, when the frame's first label asks. */
  constructor(private readonly reserve: () => void) {}

  clear(): void {
    this.taken = [];
    this.open = false;
  }

  /** Takes the box, unless some of it is taken. */
  claim(box: Box): boolean {
    if (!this.open) {
      this.open = true;
      this.reserve();
    }
    const meets = (other: Box): boolean =>
      box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom;
    if (this.taken.some(meets)) return false;
    this.taken.push(box);
    return true;
  }
}

/** Where a label goes: beside its node, or below it, where no edge leads. */
function place(context: CanvasRenderingContext2D, text: string, at: Drawn, gap: number, settings: Choices) {
  context.font = `${settings.labelWeight} ${settings.labelSize}px ${settings.labelFont}`;
  const { width } = context.measureText(text);
  const room = context.canvas.clientWidth - width - 4;
  const left = Math.max(4, Math.min(room, at.below ? at.x - width / 2 : at.x + at.size + gap));
  const y = at.below ? at.y + at.size + gap + settings.labelSize - 2 : at.y + settings.labelSize / 3;
  return { left, y, box: { left: left - 3, right: left + width + 3, top: y - settings.labelSize, bottom: y + 4 } };
}

/** Keeps room for a node and its label, which is drawn later and must not be lost. */
export function reserve(context: CanvasRenderingContext2D, data: Drawn, settings: Choices, space: LabelSpace): void {
  const { x, y, size } = data;
  space.claim({ left: x - size, right: x + size, top: y - size, bottom: y + size });
  if (data.label) space.claim(place(context, data.label, data, 5, settings).box);
}

/** The label, unless it would cover another: a major one has its room already. */
export function drawLabel(context: CanvasRenderingContext2D, data: Drawn, settings: Choices, colors: Palette, space: LabelSpace): void {
  if (!data.label) return;
  const { box } = place(context, data.label, data, 5, settings);
  if (data.major || space.claim(box)) write(context, data.label, data, 5, settings, colors);
}

function write(context: CanvasRenderingContext2D, text: string, at: Drawn, gap: number, settings: Choices, colors: Palette): void {
  const { left, y } = place(context, text, at, gap, settings);
  // A halo, so that edges do not cut the text.
  context.lineJoin = 'round';
  context.lineWidth = 3.5;
  context.strokeStyle = colors.surface;
  context.strokeText(text, left, y);
  context.fillStyle = at.below || at.highlighted ? colors.text : colors.muted;
  context.fillText(text, left, y);
}

/** A ring around the node that is selected or under the pointer, and its label. */
export function drawHover(context: CanvasRenderingContext2D, data: Drawn, settings: Choices, colors: Palette): void {
  context.beginPath();
  context.arc(data.x, data.y, data.size + 4.5, 0, 2 * Math.PI);
  context.fillStyle = colors.surface;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = colors.accent;
  context.stroke();
  write(context, data.title ?? '', data, 10, settings, colors);
}
