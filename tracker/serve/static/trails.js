/** Foot points of tracks in the last seconds. */

const LENGTH_S = 3;
const MOST_POINTS = 400;

/** Returns the middle of the lower edge of a box: where an object stands. */
export const footOf = ([x1, , x2, y2]) => [(x1 + x2) / 2, y2];

export class Trails {
  constructor() {
    this.points = new Map();
    this.time = -Infinity;
  }

  /** Adds the foot points of a frame; a time that goes back begins anew. */
  update(tracks, time) {
    if (time < this.time) this.points.clear();
    this.time = time;
    for (const { id, box } of tracks) {
      const points = this.points.get(id) ?? [];
      points.push([...footOf(box), time]);
      if (points.length > MOST_POINTS) points.shift();
      this.points.set(id, points);
    }
    for (const [id, points] of this.points) {
      while (points.length && points[0][2] < time - LENGTH_S) points.shift();
      if (!points.length) this.points.delete(id);
    }
  }

  /** Returns points [x, y, time] of a track, oldest first. */
  of(id) {
    return this.points.get(id) ?? [];
  }
}
