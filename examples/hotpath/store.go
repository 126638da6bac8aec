// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// Both sides of the demonstration open the database with these same settings.
const (
	connections  = 4         // size of the connection pool
	pageCacheKiB = 32 * 1024 // SQLite's page cache of each connection
	databaseFile = "hotpath.db"
)

const schema = `
CREATE TABLE meta (fingerprint TEXT NOT NULL);
CREATE TABLE brand (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL);
CREATE TABLE category (id INTEGER PRIMARY KEY, path TEXT NOT NULL);
CREATE TABLE product (
	id INTEGER PRIMARY KEY, sku TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
	brand_id INTEGER NOT NULL, category_id INTEGER NOT NULL,
	price_cents INTEGER NOT NULL, currency TEXT NOT NULL, rating REAL NOT NULL, review_count INTEGER NOT NULL,
	images TEXT NOT NULL, updated_unix INTEGER NOT NULL
);
CREATE TABLE stock (
	product_id INTEGER NOT NULL, warehouse INTEGER NOT NULL, quantity INTEGER NOT NULL,
	PRIMARY KEY (product_id, warehouse)
) WITHOUT ROWID;
CREATE TABLE review (
	product_id INTEGER NOT NULL, posted_unix INTEGER NOT NULL,
	author TEXT NOT NULL, stars INTEGER NOT NULL, text TEXT NOT NULL,
	PRIMARY KEY (product_id, posted_unix)
) WITHOUT ROWID;`

// Every step of this query goes by primary key. It takes the limit of reviews,
// then the product's id.
const productByID = `
SELECT p.sku, p.name, p.description, b.name, b.country, c.path, p.price_cents, p.currency, p.rating, p.review_count,
	(SELECT sum(quantity) FROM stock WHERE product_id = p.id),
	(SELECT json_group_array(json_object('author', author, 'stars', stars, 'text', text, 'posted_unix', posted_unix)
		ORDER BY posted_unix DESC)
	FROM (SELECT * FROM review WHERE product_id = p.id ORDER BY posted_unix DESC LIMIT ?)),
	p.images, p.updated_unix
FROM product p JOIN brand b ON b.id = p.brand_id JOIN category c ON c.id = p.category_id
WHERE p.id = ?`

// errNotFound answers an id that no product has.
var errNotFound = errors.New("no such product")

// store answers products from SQLite. It is safe for concurrent use.
type store struct {
	db      *sql.DB
	byID    *sql.Stmt
	queries atomic.Int64
}

// dataSource names the database at path. SQLite runs the pragmas, such as
// "cache_size(-32768)", on every connection it opens.
func dataSource(path string, pragmas ...string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// openStore opens the database at the absolute path for reading and checks that
// SQLite took the page cache's size.
func openStore(ctx context.Context, path string) (*store, error) {
	db, err := sql.Open("sqlite", dataSource(path, fmt.Sprintf("cache_size(-%d)", pageCacheKiB), "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections) // the default of 2 would open and close the others all the time
	s := &store{db: db}
	var cacheSize int
	if err = db.QueryRowContext(ctx, "PRAGMA cache_size").Scan(&cacheSize); err == nil && cacheSize != -pageCacheKiB {
		err = fmt.Errorf("%s: SQLite reports a cache_size of %d, not %d", path, cacheSize, -pageCacheKiB)
	}
	if err == nil {
		s.byID, err = db.PrepareContext(ctx, productByID)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Product asks the database for one product; the error is errNotFound if there
// is none.
func (s *store) Product(ctx context.Context, id uint64) (Product, error) {
	s.queries.Add(1)
	p := Product{ID: id}
	var reviews []byte
	var images string
	err := s.byID.QueryRowContext(ctx, reviewsShown, rowID(id)).Scan(&p.SKU, &p.Name, &p.Description, &p.Brand, &p.Country,
		&p.Category, &p.PriceCents, &p.Currency, &p.Rating, &p.ReviewCount, &p.Stock, &reviews, &images, &p.UpdatedUnix)
	if errors.Is(err, sql.ErrNoRows) {
		return Product{}, errNotFound
	}
	if err != nil {
		return Product{}, err
	}
	if err = json.Unmarshal(reviews, &p.Reviews); err != nil {
		return Product{}, err
	}
	p.Images = strings.Split(images, "\n")
	return p, nil
}

// Queries returns how many products the database was asked for so far.
func (s *store) Queries() int64 { return s.queries.Load() }

// Close closes the statement and the connections.
func (s *store) Close() error { return errors.Join(s.byID.Close(), s.db.Close()) }

// rowID stores all 64 bits of an id in SQLite's signed integer.
func rowID(id uint64) int64 { return int64(id) }

// fingerprint names the content that makeDatabase writes.
func fingerprint(seed uint64, keys []uint64) string {
	var digest xxhash.Digest
	var b [8]byte
	for _, key := range keys {
		binary.LittleEndian.PutUint64(b[:], key)
		_, _ = digest.Write(b[:]) // never fails
	}
	return fmt.Sprintf("hotpath 1, seed %d, %d products, keys %016x", seed, len(keys), digest.Sum64())
}

// makeDatabase returns the path of a database in dir with one product per key. A
// database that an earlier run kept there is used again if its content is the
// wanted one; other content is an error, never overwritten. step is called with
// the number of products written so far.
func makeDatabase(ctx context.Context, dir string, seed uint64, keys []uint64, step func(done int)) (path string, reused bool, err error) {
	path, err = filepath.Abs(filepath.Join(dir, databaseFile))
	if err != nil {
		return "", false, err
	}
	want := fingerprint(seed, keys)
	switch _, err = os.Stat(path); {
	case err == nil:
		got, err := readFingerprint(ctx, path)
		if err != nil {
			return "", false, fmt.Errorf("%s is not a database of this program: %w", path, err)
		}
		if got != want {
			return "", false, fmt.Errorf("%s holds other data than this run needs (%s; wanted: %s): remove it or name another directory",
				path, got, want)
		}
		return path, true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", false, err
	}
	// Filled under another name, so that a run that is cut short leaves nothing
	// that looks whole.
	part := path + ".part"
	if err = os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	if err = fill(ctx, part, want, seed, keys, step); err != nil {
		return "", false, errors.Join(fmt.Errorf("fill the database: %w", err), os.Remove(part))
	}
	return path, false, os.Rename(part, path)
}

func readFingerprint(ctx context.Context, path string) (text string, err error) {
	db, err := sql.Open("sqlite", dataSource(path, "query_only(1)"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return text, db.QueryRowContext(ctx, "SELECT fingerprint FROM meta").Scan(&text)
}

// fill writes the database in one transaction. It may do without a journal and
// without syncing: whatever it leaves after a failure is thrown away.
func fill(ctx context.Context, path, fingerprint string, seed uint64, keys []uint64, step func(done int)) (err error) {
	db, err := sql.Open("sqlite", dataSource(path, "journal_mode(OFF)", "synchronous(OFF)", "locking_mode(EXCLUSIVE)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // err says what went wrong
		}
	}()
	if _, err = tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	if _, err = tx.ExecContext(ctx, "INSERT INTO meta VALUES (?)", fingerprint); err != nil {
		return err
	}
	for i, b := range brands {
		if _, err = tx.ExecContext(ctx, "INSERT INTO brand VALUES (?, ?, ?)", i, b.name, b.country); err != nil {
			return err
		}
	}
	for i, category := range categories {
		if _, err = tx.ExecContext(ctx, "INSERT INTO category VALUES (?, ?)", i, category); err != nil {
			return err
		}
	}
	if err = insertProducts(ctx, tx, seed, keys, step); err != nil {
		return err
	}
	if err = tx.Commit(); err != nil {
		return err
	}
	// Write-ahead logging, as a service that also writes would have it; the
	// setting stays with the file.
	_, err = db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	return err
}

func insertProducts(ctx context.Context, tx *sql.Tx, seed uint64, keys []uint64, step func(done int)) (err error) {
	product, err := tx.PrepareContext(ctx, "INSERT INTO product VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, product.Close()) }()
	stock, err := tx.PrepareContext(ctx, "INSERT INTO stock VALUES (?1, 0, ?2), (?1, 1, ?3), (?1, 2, ?4)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stock.Close()) }()
	review, err := tx.PrepareContext(ctx, `INSERT INTO review VALUES
		(?1, ?2, ?3, ?4, ?5), (?1, ?6, ?7, ?8, ?9), (?1, ?10, ?11, ?12, ?13), (?1, ?14, ?15, ?16, ?17)`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, review.Close()) }()
	for i, key := range keys {
		p := makeProduct(seed, key)
		if _, err := product.ExecContext(ctx, rowID(key), p.SKU, p.Name, p.Description, p.brand, p.category, p.PriceCents,
			p.Currency, p.Rating, p.ReviewCount, strings.Join(p.Images, "\n"), p.UpdatedUnix); err != nil {
			return err
		}
		if _, err := stock.ExecContext(ctx, rowID(key), p.stock[0], p.stock[1], p.stock[2]); err != nil {
			return err
		}
		reviews := []any{rowID(key)}
		for _, r := range p.reviews {
			reviews = append(reviews, r.PostedUnix, r.Author, r.Stars, r.Text)
		}
		if _, err := review.ExecContext(ctx, reviews...); err != nil {
			return err
		}
		step(i + 1)
	}
	return nil
}
