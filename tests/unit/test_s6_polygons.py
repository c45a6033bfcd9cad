import numpy as np
import pytest
import shapely

from scripts.geo.polygons import clip_to_cells, contains_points, join_triangles, triangulate
from tests.unit.s5_s9_world import GRID, make_countries


@pytest.fixture(scope="module")
def land():
    return make_countries()


def test_points_are_judged_by_their_own_country_whatever_the_threads(land):
    rng = np.random.default_rng(0)
    row = rng.integers(0, len(land.code), 20_000)
    west, south, east, north = shapely.bounds(land.geometry).T
    lon, lat = rng.uniform(west[row], east[row]), rng.uniform(south[row], north[row])
    one_by_one = np.array(
        [
            land.geometry[r].contains(shapely.Point(x, y))
            for r, x, y in zip(row[:2000], lon[:2000], lat[:2000], strict=True)
        ]
    )
    serial = contains_points(land, land.code[row], lon, lat)
    assert serial[:2000].tolist() == one_by_one.tolist()
    assert contains_points(land, land.code[row], lon, lat, workers=4).tolist() == serial.tolist()


def test_many_points_of_a_country_are_judged_as_few_are(land, monkeypatch):
    """Blocks inside the polygon answer for their points; edges, lakes and the sea as well."""
    one_by_one, asked = shapely.contains_xy, []

    def counted(geometry, lon, lat):
        asked.append(len(lon))
        return one_by_one(geometry, lon, lat)

    rng = np.random.default_rng(1)
    for polygon, code in zip(land.geometry, land.code, strict=True):
        west, south, east, north = shapely.bounds(polygon)
        lon = rng.uniform(west - 1, east + 1, 40_000)
        lat = rng.uniform(south - 1, north + 1, 40_000)
        # Corners of blocks, and vertices of the polygon.
        lon[:9000], lat[:9000] = np.round(lon[:9000] * 4) / 4, np.round(lat[:9000] * 4) / 4
        vertices = shapely.get_coordinates(polygon)
        lon[9000 : 9000 + len(vertices)], lat[9000 : 9000 + len(vertices)] = vertices.T
        expected = one_by_one(polygon, lon, lat)
        assert 0 < expected.sum() < len(lon)
        with monkeypatch.context() as patch:
            patch.setattr(shapely, "contains_xy", counted)
            answers = contains_points(land, np.full(len(lon), code), lon, lat)
        assert (answers == expected).all()
    assert min(asked) < 39_500


def test_a_country_without_polygon_is_named(land):
    with pytest.raises(KeyError, match="675"):
        contains_points(land, np.array([675]), np.zeros(1), np.zeros(1))


@pytest.fixture(scope="module")
def clipped(land):
    """Every cell that meets the country with a lake, an islet and a sliver."""
    polygon = land.geometry[list(land.iso).index("BA")]
    west, south, east, north = shapely.bounds(polygon)
    row, col = GRID.row_col_at(np.array([west, east]), np.array([north, south]))
    rows, cols = np.meshgrid(np.arange(row[0], row[1] + 1), np.arange(col[0], col[1] + 1))
    tile = GRID.tile_id(rows.ravel(), cols.ravel())
    return polygon, tile, clip_to_cells(polygon, tile, GRID, {})


def test_clipped_cells_are_the_exact_intersections(clipped):
    polygon, tile, cells = clipped
    exact = shapely.intersection(polygon, shapely.box(*GRID.bounds(tile)))
    assert shapely.area(cells) == pytest.approx(shapely.area(exact), abs=1e-15)
    assert shapely.area(cells).sum() == pytest.approx(polygon.area, rel=1e-12)


def test_a_clipped_cell_does_not_depend_on_the_others(land):
    polygon = max(land.geometry, key=shapely.get_num_coordinates)
    rugged = shapely.segmentize(polygon, 0.002)
    west, south, east, north = shapely.bounds(rugged)
    lon, lat = np.linspace(west, east, 12), np.linspace(south, north, 12)
    tile = np.unique(GRID.tile_at(*(axis.ravel() for axis in np.meshgrid(lon, lat))))
    pieces = {}
    together = clip_to_cells(rugged, tile, GRID, pieces)
    for k in range(0, len(tile), 5):
        alone = clip_to_cells(rugged, tile[k : k + 1], GRID, {})
        again = clip_to_cells(rugged, tile[k : k + 1], GRID, pieces)
        assert shapely.to_wkb(again[0]) == shapely.to_wkb(alone[0])
        assert shapely.to_wkb(alone[0]) == shapely.to_wkb(together[k])


def test_triangles_have_the_polygons_area_and_sample_it_evenly(clipped):
    _, _, cells = clipped
    cells = cells[shapely.area(cells) > 0.0]
    mesh = triangulate(cells)
    edge_1 = mesh.corner[:, 1] - mesh.corner[:, 0]
    edge_2 = mesh.corner[:, 2] - mesh.corner[:, 0]
    area = 0.5 * np.abs(edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0])
    owner = np.repeat(np.arange(len(cells)), np.diff(mesh.start))
    assert np.bincount(owner, area, len(cells)) == pytest.approx(shapely.area(cells), abs=1e-15)

    biggest = int(np.argmax(shapely.area(cells)))
    u = np.random.default_rng(1).uniform(size=(40_000, 3))
    lon, lat = mesh.sample(np.full(len(u), biggest), *u.T)
    west, south, east, north = shapely.bounds(cells[biggest])
    left = shapely.intersection(cells[biggest], shapely.box(west, south, (west + east) / 2, north))
    share = left.area / cells[biggest].area
    found = (lon < (west + east) / 2).mean()
    assert found == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / len(u)))
    assert shapely.covers(cells[biggest].buffer(1e-12), shapely.points(lon, lat)).all()


def test_holes_and_parts_are_respected_and_empty_polygons_give_nothing():
    ring = shapely.box(0, 0, 4, 4).difference(shapely.box(1, 1, 3, 3))
    both = shapely.GeometryCollection(
        [
            shapely.MultiPolygon([ring, shapely.box(10, 0, 11, 1)]),
            shapely.LineString([(5, 0), (6, 1)]),
        ]
    )
    mesh = triangulate(np.array([shapely.Point(), both, shapely.LineString([(0, 0), (1, 1)])]))
    u = np.random.default_rng(2).uniform(size=(4_000, 3))
    lon, lat = mesh.sample(np.ones(len(u), dtype=np.int64), *u.T)
    points = shapely.points(lon, lat)
    assert shapely.intersects(both.buffer(1e-12), points).all()
    assert not shapely.contains_properly(shapely.box(1, 1, 3, 3).buffer(-1e-9), points).any()
    assert (lon > 9).mean() == pytest.approx(1 / 13, abs=0.02)
    empty = mesh.sample(np.array([0, 2]), u[:2, 0], u[:2, 1], u[:2, 2])
    assert np.isnan(empty).all()


def test_joined_triangles_sample_as_each_alone(clipped):
    _, _, cells = clipped
    cells = cells[shapely.area(cells) > 0.0]
    alone, rest = triangulate(cells[:3]), triangulate(cells[3:])
    joined = join_triangles(rest, alone)
    u = np.random.default_rng(4).uniform(size=(300, 3))
    polygon = np.arange(300) % 3
    moved = joined.sample(polygon + len(cells) - 3, *u.T)
    assert np.array_equal(moved, alone.sample(polygon, *u.T))
