/** The page of `tracker serve`: joins the panels, and follows one source. */

import { TrackDetail } from "./detail.js";
import { announce, byId, setText, show } from "./dom.js";
import { EventList } from "./events.js";
import { plural } from "./format.js";
import { installLogin } from "./login.js";
import { drawShapeLabels, drawShapes, drawTracks } from "./overlay.js";
import { SourceList } from "./sources.js";
import { Stage } from "./stage.js";
import { StatsPanel } from "./stats.js";
import { Stream } from "./stream.js";
import { installTheme } from "./theme.js";
import { Trails } from "./trails.js";
import { TrackTable } from "./tracks.js";
import { Uploads } from "./uploads.js";
import { Viewer } from "./viewer.js";
import { ZonePanel } from "./zone_panel.js";

const SWITCHES = ["boxes", "labels", "scores", "trails", "zones"];

/** What is shown of the selected source. */
const scene = { tracks: [], trails: new Trails(), selected: null, path: [], shown: {} };
/** Times of the last drawn frames in milliseconds, for the page's own frame rate. */
let drawnAt = [];
let current = null;
let stream = null;

const stage = new Stage(
  { stage: byId("stage"), image: byId("image"), overlay: byId("overlay") },
  (context, view) => {
    const shapes = scene.shown.zones ? zones.shapes : [];
    const labels = drawShapes(context, view, shapes, (shape) => zones.textOf(shape), zones.edited);
    drawTracks(context, view, scene, labels);
    drawShapeLabels(context, labels);
    zones.editor.paint(context, view);
  },
);
const zones = new ZonePanel(stage);
const stats = new StatsPanel();
const events = new EventList();
const table = new TrackTable(choose);
const detail = new TrackDetail({
  onClose: () => {
    const { selected } = scene;
    choose(null);
    table.focus(selected);
  },
  onPath: (points) => {
    scene.path = points;
    stage.redraw();
  },
});
const viewer = new Viewer({
  onChanged: () => sources.refresh(),
  withoutSource: (name, work) => sources.withoutSource(name, work),
});
const uploads = new Uploads(async (name) => {
  await sources.refresh();
  sources.select(name);
});
const sources = new SourceList({
  onSelect: follow,
  onUpdate: (source) => {
    viewer.show(source);
    stage.setSize(source.width, source.height);
    zones.setSize(source.width, source.height);
    zones.setEditable(source.zones_editable);
  },
  onAnswer: (answer) => {
    uploads.configure(answer.uploads);
    if (!answer.sources.length) setConnection("running", "Connected");
  },
  onFailure: (error) => {
    if (error.status !== 401) setConnection("lost", "Not connected", error.message);
  },
});

/** Shows another source. */
function follow(source) {
  stream?.close();
  stream = null;
  current = source?.name ?? null;
  choose(null);
  scene.tracks = [];
  scene.trails = new Trails();
  drawnAt = [];
  stage.clear();
  stage.setSize(source?.width || 16, source?.height || 9);
  table.clear();
  viewer.show(source);
  stats.select(current);
  events.select(current);
  if (!source) return;
  zones.select(current);
  zones.setSize(source.width, source.height);
  stream = new Stream(current, {
    onFrame,
    onState: (state) => sources.update(state),
    onConnection: (isOpen, wait) => {
      if (isOpen) setConnection("running", "Connected");
      else setConnection("lost", "Not connected", `No connection to the server. Next attempt in ${Math.ceil(wait / 1000)} s.`);
    },
  });
}

function onFrame(message, bitmap, acknowledge) {
  stage.showFrame(bitmap, (isDrawn) => {
    acknowledge();
    scene.trails.update(message.tracks, message.time_s);
    if (!isDrawn) return;
    scene.tracks = message.tracks;
    table.update(message.tracks, message.time_s);
    detail.update(message.tracks);
    zones.setCounts(message.occupancy, message.counts);
    if (bitmap) measure(message);
  });
}

/** Notes the page's own frame rate and delay; `data-` attributes let a test read them. */
function measure({ wall_time: taken }) {
  const now = performance.now();
  drawnAt = [...drawnAt.filter((time) => now - time < 2000), now];
  const seconds = (now - drawnAt[0]) / 1000;
  const { dataset } = stage.element;
  dataset.rate = seconds > 0 ? ((drawnAt.length - 1) / seconds).toFixed(1) : "0";
  dataset.delay = taken ? Math.round(Date.now() - 1000 * taken) : "";
  dataset.frames = String(Number(dataset.frames ?? 0) + 1);
}

/** Chooses a track, or none: its path, details and row. */
function choose(id) {
  scene.selected = id;
  scene.path = [];
  table.select(id);
  detail.show(current, id);
  stage.redraw();
}

function setConnection(state, text, problem = null) {
  byId("connection").dataset.state = state;
  setText(byId("connection"), text);
  show(byId("offline"), problem);
}

/** Chooses the smallest box at a click in the video. */
function onClick(event) {
  if (zones.editor.mode !== "idle") return;
  const [x, y] = stage.pointAt(event);
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  const hit = scene.tracks
    .filter(({ box: [x1, y1, x2, y2] }) => x >= x1 && x <= x2 && y >= y1 && y <= y2)
    .toSorted((a, b) => area(a.box) - area(b.box))[0];
  choose(hit && hit.id !== scene.selected ? hit.id : null);
}

function describeVideo() {
  if (zones.editor.mode !== "idle") return;
  const text = current ? `Video of ${viewer.source?.title}, ${plural(scene.tracks.length, "track")}` : "Video";
  byId("overlay").setAttribute("aria-label", text);
}

for (const name of SWITCHES) {
  const input = byId(`show-${name}`);
  scene.shown[name] = input.checked;
  input.addEventListener("change", () => {
    scene.shown[name] = input.checked;
    stage.redraw();
  });
}
// A click at the end of drawing a zone comes after the editor has ended: pointerdown decides.
let wasIdle = true;
byId("overlay").addEventListener("pointerdown", () => (wasIdle = zones.editor.mode === "idle"), { capture: true });
byId("overlay").addEventListener("click", (event) => wasIdle && onClick(event));
setInterval(describeVideo, 2000);
installTheme(() => stats.draw());
installLogin();
announce("");
