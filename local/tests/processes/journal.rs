//! `leasebox journal` on the table of a running server, and on journals that are long or damaged.
