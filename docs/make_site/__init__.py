"""The documentation as a site: what is made of the sources while MkDocs builds it. Run by `make docs`."""
