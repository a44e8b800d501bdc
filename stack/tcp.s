// This file lets tcp.go declare a function that is linked by name.
