//! openraft adapter: SQLite log, peer network, membership
