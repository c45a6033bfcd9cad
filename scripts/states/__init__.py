"""States S0 to S9, one module each, and the laws that they share."""

CHAIN = (
    "s0_gate",
    "s1_tile_index",
    "s1_population_surface",
    "s2_tile_weights",
    "s3_requirements",
    "s4_guard",
    "s4_alloc_plan",
    "s5_site_tile_assignment",
    "s6_site_jitter",
    "s7_site_synthesis",
    "s8_site_locations",
    "s9_validation",
)
