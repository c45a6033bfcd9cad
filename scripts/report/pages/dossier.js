"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("map-data").textContent);

  // Equal Earth (Savric, Patterson, Jenny 2019), forward and by Newton's method back.
  const A = [1.340264, -0.081106, 0.000893, 0.003796];
  const SQ3 = Math.sqrt(3), RAD = Math.PI / 180;
  const slope = (t) => A[0] + 3 * A[1] * t * t + t ** 6 * (7 * A[2] + 9 * A[3] * t * t);
  const height = (t) => t * (A[0] + A[1] * t * t + t ** 6 * (A[2] + A[3] * t * t));
  const project = (lon, lat) => {
    const t = Math.asin((SQ3 / 2) * Math.sin(lat * RAD));
    return [(2 * SQ3 * lon * RAD * Math.cos(t)) / (3 * slope(t)), height(t)];
  };
  const unproject = (x, y) => {
    let t = y;
    for (let i = 0; i < 8; i++) t -= (height(t) - y) / slope(t);
    const lat = Math.asin(Math.max(-1, Math.min(1, (2 / SQ3) * Math.sin(t)))) / RAD;
    return [(3 * x * slope(t)) / (2 * SQ3 * Math.cos(t)) / RAD, lat];
  };

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  function decodeSites(run) {
    if (run.plane) return run;
    const b = bytes(run.points), n = run.n;
    run.lonlat = new Float64Array(2 * n);
    run.plane = new Float64Array(2 * n);
    for (let i = 0; i < 2 * n; i++) {
      const at = 3 * i;
      const steps = b[at] + 256 * b[at + 1] + 65536 * b[at + 2];
      run.lonlat[i] = ((steps + 0.5) / 16777216) * 360 - 180;
    }
    for (let i = 0; i < n; i++) {
      const [x, y] = project(run.lonlat[2 * i], run.lonlat[2 * i + 1]);
      run.plane[2 * i] = x;
      run.plane[2 * i + 1] = y;
    }
    return run;
  }
  function decodeLand(text) {
    const b = bytes(text), rings = [];
    let at = 0;
    const next = () => {
      let value = 0, unit = 1, byte;
      do { byte = b[at++]; value += (byte & 127) * unit; unit *= 128; } while (byte & 128);
      return value % 2 ? -(value + 1) / 2 : value / 2;
    };
    while (at < b.length) {
      const n = next(), ring = new Float64Array(2 * n);
      let lon = 0, lat = 0;
      const box = [Infinity, Infinity, -Infinity, -Infinity];
      for (let i = 0; i < n; i++) {
        lon += next(); lat += next();
        const [x, y] = project(lon / 1000, lat / 1000);
        ring[2 * i] = x; ring[2 * i + 1] = y;
        box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
        box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
      }
      rings.push({ ring, box });
    }
    return rings;
  }

  const HALF = project(180, 0)[0];
  const crs = L.extend({}, L.CRS, {
    projection: {
      project: (p) => { const [x, y] = project(p.lng, p.lat); return L.point(x, y); },
      unproject: (p) => { const [x, y] = unproject(p.x, p.y); return L.latLng(y, x); },
      bounds: L.bounds([-HALF, -1.32], [HALF, 1.32]),
    },
    transformation: new L.Transformation(1 / (2 * HALF), 0.5, -1 / (2 * HALF), 0.5),
    distance: L.CRS.Earth.distance,
    infinite: false,
  });

  const land = decodeLand(data.land);
  const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const edge = [];
  for (let lat = -90; lat <= 90; lat += 2) edge.push(project(180, lat));
  for (let lat = 90; lat >= -90; lat -= 2) edge.push(project(-180, lat));

  // One path of Leaflet's canvas renderer that draws everything: the renderer keeps it in step
  // with pan, pinch and zoom.
  const World = L.Path.extend({
    initialize(options) { L.setOptions(this, options); this.run = null; },
    _project() { this._pxBounds = L.bounds([-1e9, -1e9], [1e9, 1e9]); },
    _update() { if (this._map) this._updatePath(); },
    _containsPoint() { return false; },
    _updatePath() {
      if (!this._renderer._drawing) return;
      const map = this._map, ctx = this._renderer._ctx;
      const zoom = map.getZoom(), k = crs.scale(zoom) / (2 * HALF), origin = map.getPixelOrigin();
      const x0 = crs.scale(zoom) * 0.5 - origin.x, y0 = crs.scale(zoom) * 0.5 - origin.y;
      const seen = this._renderer._bounds;
      const low = [(seen.min.x - x0) / k, (y0 - seen.max.y) / k];
      const high = [(seen.max.x - x0) / k, (y0 - seen.min.y) / k];
      const trace = (ring) => {
        for (let i = 0; i < ring.length; i += 2) {
          const x = x0 + k * ring[i], y = y0 - k * ring[i + 1];
          if (i) ctx.lineTo(x, y); else ctx.moveTo(x, y);
        }
      };
      ctx.save();
      ctx.globalAlpha = 1;
      ctx.fillStyle = tone("--sea");
      ctx.beginPath();
      trace(edge.flat());
      ctx.fill();
      ctx.fillStyle = tone("--land");
      ctx.strokeStyle = tone("--border");
      ctx.lineWidth = zoom > 4 ? 1 : 0.6;
      ctx.beginPath();
      for (const { ring, box } of land) {
        if (box[0] > high[0] || box[1] > high[1] || box[2] < low[0] || box[3] < low[1]) continue;
        trace(ring);
      }
      ctx.fill();
      ctx.stroke();
      // Sites of one square of the screen are one mark at their mean; its tone is the logarithm of
      // their number, so that no zoom is too dense to be read.
      const plane = this.run.plane, size = Math.min(7, 2.5 + 0.35 * zoom);
      const left = seen.min.x, top = seen.min.y;
      const across = Math.ceil((seen.max.x - left) / size) + 1;
      const marks = new Map();
      for (let i = 0; i < plane.length; i += 2) {
        const px = plane[i], py = plane[i + 1];
        if (px < low[0] || px > high[0] || py < low[1] || py > high[1]) continue;
        const x = x0 + k * px, y = y0 - k * py;
        const square = Math.floor((y - top) / size) * across + Math.floor((x - left) / size);
        const mark = marks.get(square);
        if (mark) { mark[0] += x; mark[1] += y; mark[2] += 1; } else marks.set(square, [x, y, 1]);
      }
      const few = rgb(tone(`${this.run.colour}-few`)), many = rgb(tone(`${this.run.colour}-many`));
      for (const [x, y, n] of [...marks.values()].sort((a, b) => a[2] - b[2])) {
        const t = Math.min(1, Math.log(n) / Math.log(100));
        ctx.fillStyle = `rgb(${few.map((c, i) => Math.round(c + t * (many[i] - c))).join()})`;
        ctx.fillRect(x / n - size / 2, y / n - size / 2, size, size);
      }
      ctx.restore();
    },
  });

  const map = L.map("map", {
    crs,
    minZoom: 0,
    maxZoom: 16,
    zoomSnap: 0.25,
    zoomDelta: 1,
    wheelPxPerZoomLevel: 90,
    scrollWheelZoom: false,
    attributionControl: false,
    renderer: L.canvas({ padding: 0.6 }),
    maxBounds: [[-90, -200], [90, 200]],
    maxBoundsViscosity: 0.7,
  });
  const whole = () => {
    const box = L.bounds([-HALF, -1.17], [HALF, 1.32]), size = map.getSize();
    const zoom = Math.log2(Math.min(size.x / 256, size.y / 256 / ((box.max.y - box.min.y) / (2 * HALF))));
    map.setView([6, 0], Math.floor(zoom * 4) / 4, { animate: false });
  };
  whole();
  const world = new World({ interactive: false });
  const runSelect = $("map-run"), seedSelect = $("map-seed"), note = $("map-note");
  const show = () => {
    const run = decodeSites(data.runs[runSelect.value][seedSelect.value]);
    run.colour = runSelect.value === "baseline" ? "--baseline" : "--release";
    world.run = run;
    note.textContent =
      `${run.n.toLocaleString("en")} sites in ${run.countries.length} countries`;
    map.closePopup();
    world.redraw();
  };
  world.run = decodeSites(data.runs[runSelect.value][seedSelect.value]);
  world.addTo(map);
  show();
  runSelect.addEventListener("change", show);
  seedSelect.addEventListener("change", show);
  $("map-whole").addEventListener("click", whole);
  map.on("focus click", () => map.scrollWheelZoom.enable());
  map.on("blur", () => map.scrollWheelZoom.disable());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => world.redraw());

  map.on("click", (event) => {
    const [x, y] = project(event.latlng.lng, event.latlng.lat), run = world.run;
    let best = -1, least = Infinity;
    for (let i = 0; i < run.n; i++) {
      const d = (run.plane[2 * i] - x) ** 2 + (run.plane[2 * i + 1] - y) ** 2;
      if (d < least) { least = d; best = i; }
    }
    const reach = (14 * 2 * HALF) / crs.scale(map.getZoom());
    if (best < 0 || least > reach * reach) return;
    let rest = best, iso = "";
    for (const [code, count] of run.countries) { iso = code; if (rest < count) break; rest -= count; }
    const lon = run.lonlat[2 * best], lat = run.lonlat[2 * best + 1];
    const box = document.createElement("div");
    box.textContent = `${data.names[iso] || iso}: ${lat.toFixed(4)}, ${lon.toFixed(4)}`;
    L.popup({ autoPan: false }).setLatLng([lat, lon]).setContent(box).openOn(map);
  });

  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("#gates details")) part.open = true;
  });

  // The page's own handle on the map, for tests and for the curious in the console.
  window.dossier = { map, world };

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("thead th").forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
        const rows = [...body.rows].sort((a, b) => {
          const [p, q] = [value(a), value(b)], [m, n] = [Number(p), Number(q)];
          const order = p === "" || q === "" ? (p === "") - (q === "")
            : Number.isNaN(m) || Number.isNaN(n) ? p.localeCompare(q, "en") : m - n;
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
  }
})();
