"""What joins the chips: topology, tiers, bill of materials."""
