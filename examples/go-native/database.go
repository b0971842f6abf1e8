package main

// #cgo CFLAGS: -I/usr/include/postgresql
// #cgo LDFLAGS: -lpq
// #include <stdlib.h>
// #include <libpq-fe.h>
import "C"

import (
	"errors"
	"strings"
	"unsafe"
)

// database is a connection of PostgreSQL's own client library.
type database struct{ connection *C.PGconn }

// connect goes where PGHOST, PGDATABASE, PGUSER and so on say.
func connect() (*database, error) {
	nothing := C.CString("")
	defer C.free(unsafe.Pointer(nothing))
	database := &database{C.PQconnectdb(nothing)}
	if C.PQstatus(database.connection) != C.CONNECTION_OK {
		return nil, database.error()
	}
	return database, nil
}

// text returns the first column of the only row that a query with one parameter has.
func (d *database) text(query, parameter string) (string, error) {
	command, value := C.CString(query), C.CString(parameter)
	defer C.free(unsafe.Pointer(command))
	defer C.free(unsafe.Pointer(value))
	result := C.PQexecParams(d.connection, command, 1, nil, &value, nil, nil, 0)
	// That a connection did not outlive the time between two events shows when it is used.
	if C.PQstatus(d.connection) != C.CONNECTION_OK {
		C.PQclear(result)
		C.PQreset(d.connection)
		result = C.PQexecParams(d.connection, command, 1, nil, &value, nil, nil, 0)
	}
	defer C.PQclear(result)
	if C.PQresultStatus(result) != C.PGRES_TUPLES_OK {
		return "", d.error()
	}
	return C.GoString(C.PQgetvalue(result, 0, 0)), nil
}

func (d *database) error() error {
	return errors.New(strings.TrimSpace(C.GoString(C.PQerrorMessage(d.connection))))
}
