"""What a supernode is worth on a load: the same chips with more and less of what makes one, each planned again."""
