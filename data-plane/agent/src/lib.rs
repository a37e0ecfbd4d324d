//! Agent: sync client, disk cache, status and wiring of the proxy
