// A drawing as a PNG, for what takes no SVG.

/** What every browser's canvas can hold: pixels of a side, and of all. */
const SIDE = 16_384;
const AREA = 100_000_000;
/** Twice as fine as the drawing, for screens and print. */
const FINE = 2;

/** Draws an SVG, as it is on its own, with nothing of this page. A drawing too large for a canvas comes out smaller. */
export async function png(svg: Blob): Promise<Blob> {
  const url = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const { naturalWidth: width, naturalHeight: height } = image;
    const scale = Math.min(FINE, SIDE / width, SIDE / height, Math.sqrt(AREA / (width * height)));
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [Math.max(1, Math.floor(width * scale)), Math.max(1, Math.floor(height * scale))];
    canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
    const drawn = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
    if (!drawn) throw new Error('This browser makes no PNG of a picture as large as this.');
    return drawn;
  } finally {
    URL.revokeObjectURL(url);
  }
}
