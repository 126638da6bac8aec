// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Product is the document that the service answers, what a product page shows:
// one row of the product table with its brand, category, stock and newest reviews.
type Product struct {
	// ID travels as a string: JSON numbers lose precision above 2^53, and the
	// keys of a trace use all 64 bits.
	ID          uint64   `json:"id,string"`
	SKU         string   `json:"sku"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Brand       string   `json:"brand"`
	Country     string   `json:"country"`
	Category    string   `json:"category"`
	PriceCents  int64    `json:"price_cents"`
	Currency    string   `json:"currency"`
	Rating      float64  `json:"rating"`
	ReviewCount int64    `json:"review_count"`
	Reviews     []Review `json:"reviews"`
	Stock       int64    `json:"stock"`
	Images      []string `json:"images"`
	UpdatedUnix int64    `json:"updated_unix"`
}

// Review is what a customer wrote about a product.
type Review struct {
	Author     string `json:"author"`
	Stars      int64  `json:"stars"`
	Text       string `json:"text"`
	PostedUnix int64  `json:"posted_unix"`
}

const (
	warehouses   = 3 // stock rows of each product
	reviewRows   = 4 // review rows of each product
	reviewsShown = 3 // the newest ones, in the document
)

// product is a Product as the tables hold it, before any join.
type product struct {
	Product
	brand, category int
	stock           [warehouses]int64
	reviews         [reviewRows]Review // newest first
}

type brand struct{ name, country string }

var (
	brands = []brand{
		{"Alder & Finch", "GB"},
		{"Bergholt", "DE"},
		{"Casa Olmo", "IT"},
		{"Dunrow", "IE"},
		{"Elvesund", "NO"},
		{"Fjordlys", "DK"},
		{"Granmark", "SE"},
		{"Harubi", "JP"},
	}
	categories = []string{
		"Home > Kitchen > Knives", "Home > Kitchen > Pans", "Home > Lighting > Desk lamps",
		"Garden > Tools > Pruning", "Outdoor > Camping > Stoves", "Outdoor > Cycling > Lights",
		"Office > Paper > Notebooks", "Office > Chairs > Task chairs", "Music > Strings > Guitars",
		"Travel > Bags > Rucksacks",
	}
	words = strings.Fields(`balanced brushed careful carved classic cleaned coated compact cork curved
		daily deep durable easy even fine finished firm folded forged gentle grained handle
		heavy honest inner joined kept light lined long made matte measured narrow natural
		neat oiled open outer paired plain polished pressed quiet quick rigid rounded sealed
		seasoned sharp simple slim smooth soft solid sturdy supple tested thick tight turned
		useful warm washed weighted wide woven`)
)

// makeProduct returns the product with that id. It depends on nothing but its
// arguments, so the right answer to every request is known without asking the
// database that is on trial.
func makeProduct(seed, id uint64) product {
	rng := rand.New(rand.NewPCG(seed, id))
	sentence := func(n int) string {
		text := make([]string, n)
		for i := range text {
			text[i] = words[rng.IntN(len(words))]
		}
		return strings.Join(text, " ")
	}
	p := product{brand: rng.IntN(len(brands)), category: rng.IntN(len(categories))}
	sku := "SKU-" + strings.ToUpper(strconv.FormatUint(rng.Uint64()>>28, 36))
	p.Product = Product{
		ID:          id,
		SKU:         sku,
		Name:        sentence(4),
		Description: sentence(50 + rng.IntN(50)),
		Brand:       brands[p.brand].name,
		Country:     brands[p.brand].country,
		Category:    categories[p.category],
		PriceCents:  int64(99 + rng.IntN(100_000)),
		Currency:    "EUR",
		Rating:      float64(rng.IntN(41)+10) / 10,
		ReviewCount: int64(rng.IntN(5_000)),
		Images:      []string{"/img/" + sku + "/1.webp", "/img/" + sku + "/2.webp"},
		UpdatedUnix: 1_700_000_000 + int64(rng.IntN(50_000_000)),
	}
	for i := range p.stock {
		p.stock[i] = int64(rng.IntN(200))
		p.Stock += p.stock[i]
	}
	for i := range p.reviews {
		p.reviews[i] = Review{
			Author:     words[rng.IntN(len(words))] + strconv.Itoa(rng.IntN(10_000)),
			Stars:      int64(rng.IntN(5) + 1),
			Text:       sentence(10 + rng.IntN(15)),
			PostedUnix: p.UpdatedUnix - int64(i*86_400+rng.IntN(86_400)),
		}
	}
	p.Reviews = slices.Clone(p.reviews[:reviewsShown])
	return p
}

// checksums returns, for each key, the checksum of the body that answers it, and
// the mean length of those bodies in bytes.
func checksums(seed uint64, keys []uint64) (sums []uint64, meanBytes int, err error) {
	sums = make([]uint64, len(keys))
	total := 0
	for i, key := range keys {
		body, err := json.Marshal(makeProduct(seed, key).Product)
		if err != nil {
			return nil, 0, err
		}
		sums[i] = xxhash.Sum64(body)
		total += len(body)
	}
	return sums, total / len(keys), nil
}
