// SPDX-License-Identifier: MIT

package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// itemCodec writes the items of a location into snapshots: the weight that a
// weigher gave, and the text.
type itemCodec struct{}

func (itemCodec) AppendKey(b []byte, key string) ([]byte, error) { return append(b, key...), nil }

func (itemCodec) DecodeKey(b []byte) (string, error) { return string(b), nil }

func (itemCodec) AppendValue(b []byte, it item) ([]byte, error) {
	if it.kept() != nil {
		return b, fmt.Errorf("%w: a Go value that was kept as it is cannot be saved", ErrEncode)
	}
	return append(binary.AppendUvarint(b, uint64(it.weight())), it.text...), nil
}

func (itemCodec) DecodeValue(b []byte) (item, error) {
	weight, n := binary.Uvarint(b)
	if n <= 0 || int64(weight) < 0 {
		return item{}, errors.New("cache: a saved item is malformed")
	}
	return textItem(string(b[n:]), int64(weight)), nil
}
