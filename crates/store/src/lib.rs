//! Ordered transactional tables, leased queues, a change feed and blobs behind one port.
