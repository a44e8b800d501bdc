package bd

// Words of descriptors are read and written by plain loads and stores of the
// CPU; the barriers are where the order matters.

func load(d *descriptor, i int) uint32 { return d[i] }

func store(d *descriptor, i int, v uint32) { d[i] = v }
