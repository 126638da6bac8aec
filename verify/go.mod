module github.com/locmem/locmem/verify

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/locmem/locmem v0.0.0-00010101000000-000000000000
	github.com/sasha-s/go-deadlock v0.3.9
	github.com/stretchr/testify v1.12.1
	pgregory.net/rapid v1.3.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/petermattis/goid v0.0.0-20250813065127-a731cc31b4fe // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.22.0 // indirect
)

replace github.com/locmem/locmem => ../
