"""Build the site: pages made from the package, links within the site, and MathML."""
