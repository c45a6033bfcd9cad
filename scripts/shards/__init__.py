"""Scale-out: S4 to S8 scattered over groups of countries, and the streams that gather them."""
