// How a node is drawn: one WebGL program for all. The outline says the kind, the filling says the sign, so that no meaning
// hangs on colour alone.
import { NodeProgram, type ProgramInfo } from 'sigma/rendering';
import type { NodeDisplayData, RenderParams } from 'sigma/types';
import { floatColor } from 'sigma/utils';
import { FILLING, type Outline, type Sign } from './drawing';

const OUTLINE: Record<Outline, number> = { circle: 0, square: 1, hexagon: 2, diamond: 3, triangle: 4, octagon: 5 };

/** Signed distances after the usual two-dimensional primitives; p is 1 at the node's radius. */
const FRAGMENT = /* glsl */ `
precision highp float;
varying vec4 v_color;
varying vec2 v_diff;
varying float v_radius;
varying vec2 v_shape;
uniform float u_correctionRatio;

float outline(vec2 p, float size) {
  if (v_shape.x < 0.5) return length(p) - size;
  if (v_shape.x < 1.5) {
    vec2 q = abs(p) - size * 0.66;
    return length(max(q, 0.0)) + min(max(q.x, q.y), 0.0) - size * 0.22;
  }
  vec2 q = abs(p);
  if (v_shape.x < 2.5) return max(q.x * 0.866025 + q.y * 0.5, q.y) - size * 0.9;
  if (v_shape.x < 3.5) return (q.x + q.y) * 0.707107 - size * 0.76;
  if (v_shape.x < 4.5) return max(q.x * 0.866025 + p.y * 0.5, -p.y) - size * 0.62;
  return max(max(q.x, q.y), (q.x + q.y) * 0.707107) - size * 0.9;
}

void main(void) {
  vec2 p = v_diff / v_radius;
  float pixel = u_correctionRatio * 2.0 / v_radius;
  #ifdef PICKING_MODE
  gl_FragColor = outline(p, 0.95) > 0.0 ? vec4(0.0) : v_color;
  #else
  float line = max(0.17, 1.9 * pixel);
  float d = outline(p, 0.8);
  if (v_shape.y > 0.5 && v_shape.y < 1.5) d = max(d, -(d + line));
  else if (v_shape.y > 1.5 && v_shape.y < 2.5) d = min(max(d, -(d + line)), outline(p, 0.32));
  else if (v_shape.y > 2.5 && v_shape.y < 3.5) d = min(outline(p, 0.52), max(d, -(d + line)));
  else if (v_shape.y > 3.5) d = max(max(d, -(d + line)), (abs(fract(atan(p.y, p.x) * 0.95493) - 0.5) - 0.3) * 0.7);
  gl_FragColor = mix(v_color, vec4(0.0), smoothstep(-0.9 * pixel, 0.1 * pixel, d));
  #endif
}`;

const VERTEX = /* glsl */ `
attribute vec4 a_id;
attribute vec4 a_color;
attribute vec2 a_position;
attribute float a_size;
attribute vec2 a_shape;
attribute float a_angle;
uniform mat3 u_matrix;
uniform float u_sizeRatio;
uniform float u_correctionRatio;
varying vec4 v_color;
varying vec2 v_diff;
varying float v_radius;
varying vec2 v_shape;

void main() {
  // A triangle whose inner circle has 1.25 times the node's radius: the outline ends at 0.8 of it.
  float reach = 1.25 * a_size * u_correctionRatio / u_sizeRatio * 4.0;
  v_diff = reach * vec2(cos(a_angle), sin(a_angle));
  v_radius = reach / 2.0;
  v_shape = a_shape;
  gl_Position = vec4((u_matrix * vec3(a_position + v_diff, 1.0)).xy, 0.0, 1.0);
  #ifdef PICKING_MODE
  v_color = a_id;
  #else
  v_color = a_color;
  #endif
  v_color.a *= 255.0 / 254.0;
}`;

const UNIFORMS = ['u_sizeRatio', 'u_correctionRatio', 'u_matrix'] as const;
const { FLOAT, UNSIGNED_BYTE, TRIANGLES } = WebGL2RenderingContext;

export class ShapeProgram extends NodeProgram<(typeof UNIFORMS)[number]> {
  getDefinition() {
    return {
      VERTICES: 3,
      VERTEX_SHADER_SOURCE: VERTEX,
      FRAGMENT_SHADER_SOURCE: FRAGMENT,
      METHOD: TRIANGLES,
      UNIFORMS,
      ATTRIBUTES: [
        { name: 'a_position', size: 2, type: FLOAT },
        { name: 'a_size', size: 1, type: FLOAT },
        { name: 'a_color', size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: 'a_shape', size: 2, type: FLOAT },
        { name: 'a_id', size: 4, type: UNSIGNED_BYTE, normalized: true },
      ],
      CONSTANT_ATTRIBUTES: [{ name: 'a_angle', size: 1, type: FLOAT }],
      CONSTANT_DATA: [[0], [(2 * Math.PI) / 3], [(4 * Math.PI) / 3]],
    };
  }

  processVisibleItem(nodeIndex: number, at: number, data: NodeDisplayData & { outline?: Outline; sign?: Sign }): void {
    const { array } = this;
    array[at++] = data.x;
    array[at++] = data.y;
    array[at++] = data.size;
    array[at++] = floatColor(data.color);
    array[at++] = OUTLINE[data.outline ?? 'circle'];
    array[at++] = FILLING[data.sign ?? 'active'];
    array[at++] = nodeIndex;
  }

  setUniforms({ sizeRatio, correctionRatio, matrix }: RenderParams, { gl, uniformLocations }: ProgramInfo): void {
    gl.uniform1f(uniformLocations.u_sizeRatio ?? null, sizeRatio);
    gl.uniform1f(uniformLocations.u_correctionRatio ?? null, correctionRatio);
    gl.uniformMatrix3fv(uniformLocations.u_matrix ?? null, false, matrix);
  }
}
