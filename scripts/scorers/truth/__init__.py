"""Whether a map can be told from real outlets: eleven tests of any table of sites.

The concentration gates see countries, and the fidelity rows compare a map with the surface that it
was drawn from. The tests here look at how outlets lie to each other and how a merchant's outlets
lie, against ranges that were measured on public sets of real outlets.

    from scripts.scorers.truth.earth import read_earth
    from scripts.scorers.truth.measure import measure

    earth = read_earth(tile_index, tile_population, tile_weights, places, density, width, grid)
    for row in measure(sites, earth, seed):
        print(row.test, row.value, row.accepted, row.passed, row.margin, row.reason)

``sites`` is a :class:`scripts.geo.metrics.Sites`; ``earth`` is the same for every seed, so it
is read once. ``seed`` keys the thinning of maps denser than the reference, and nothing else.

========  ==================================================================================
module    subject
========  ==================================================================================
spacing   T1 lone sites, T2 pairs, T3 twins, T4 variance of counts, T7 a grid that shows
merchants T5 spread of a merchant's outlets, T6 siblings, T9 where it enters a country
ground    T8 named places, T10 empty land
earth     what a map is held against: people, weights, places
country   all that is measured of one country
measure   the tests of a map, from its countries
judgement what is accepted, and the verdict
========  ==================================================================================
"""
