module tiphys.dev/tests/gotemplate-peer

go 1.26
