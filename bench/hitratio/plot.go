// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of a picture, and what of its width the legend takes on the right.
const (
	plotWidth   = 9.5 * vg.Inch
	plotHeight  = 7.5 * vg.Inch
	legendWidth = 2 * vg.Inch
	plotDPI     = 120
)

// chart is what is drawn: the mean of a measure for each size and contender.
type chart struct {
	file, title, xLabel string
	outcomes            []outcome
	by                  measure
	// x is where an outcome stands on the axis, xTick how that is written.
	x     func(outcome) float64
	xTick func(x float64) string
}

// charts makes one chart for each trace and one of the means, for weighted
// traces of objects and of bytes.
func charts(s sizes, outcomes []outcome) []chart {
	limit := func(o outcome) float64 { return float64(o.point.limit) }
	count := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	plain, weighted := split(outcomes)
	var list []chart
	for _, part := range byTrace(plain) {
		t := part[0].trace
		title := fmt.Sprintf("%s: %d requests, %d keys", t.name, len(t.keys), t.distinct)
		list = append(list, chart{t.name, title, "capacity, entries", part, outcome.hitRatio, limit, count})
	}
	if len(byTrace(plain)) > 1 {
		means := chart{"means", "mean of " + countPoints(plain), "capacity, entries", plain, outcome.hitRatio, limit, count}
		if len(s.limits) == 0 {
			means.xLabel = "capacity, share of the trace's keys"
			means.x = func(o outcome) float64 { return 100 * o.point.share }
			means.xTick = func(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) + " %" }
		}
		list = append(list, means)
	}
	megabytes := func(o outcome) float64 { return float64(o.point.limit) / 1e6 }
	short := func(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }
	for _, part := range byTrace(weighted) {
		name := part[0].trace.name
		list = append(list,
			chart{name + ".objects", name + ": requests that hit", "capacity, MB", part, outcome.hitRatio, megabytes, short},
			chart{name + ".bytes", name + ": bytes that hit", "capacity, MB", part, outcome.byteHitRatio, megabytes, short})
	}
	return list
}

// writePlots draws the charts into a folder, each as PNG and SVG.
func writePlots(folder string, list []chart) error {
	for _, c := range list {
		p, legend, err := c.plot()
		if err != nil {
			return fmt.Errorf("plot %s: %w", c.file, err)
		}
		raster := vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))
		paint(raster, p, legend)
		if err := save(filepath.Join(folder, c.file+".png"), vgimg.PngCanvas{Canvas: raster}); err != nil {
			return err
		}
		vector := vgsvg.New(plotWidth, plotHeight)
		paint(vector, p, legend)
		if err := save(filepath.Join(folder, c.file+".svg"), vector); err != nil {
			return err
		}
	}
	return nil
}

// paint puts the legend beside the plot, where it covers no line.
func paint(canvas vg.CanvasSizer, p *plot.Plot, legend plot.Legend) {
	all := draw.New(canvas)
	p.Draw(draw.Crop(all, vg.Points(6), -legendWidth, vg.Points(6), -vg.Points(6)))
	legend.Draw(draw.Crop(all, plotWidth-legendWidth+vg.Points(10), 0, 0, -vg.Points(34)))
}

func save(path string, picture vg.CanvasWriterTo) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := picture.WriteTo(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return file.Close()
}

func (c chart) plot() (*plot.Plot, plot.Legend, error) {
	p, legend := plot.New(), plot.NewLegend()
	sans := func(size vg.Length) font.Font { return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size} }
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.xLabel, "hit ratio, %"
	p.Title.TextStyle.Font, p.Title.Padding = sans(14), vg.Points(6)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = sans(12), sans(10)
	}
	legend.TextStyle.Font, legend.ThumbnailWidth = sans(10), vg.Points(36)
	legend.Top, legend.Left, legend.Padding = true, true, vg.Points(5)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = gray, gray
	p.Add(grid)

	used := map[float64]bool{}
	var ticks plot.ConstantTicks
	var lines []plot.Plotter
	starred := false
	for _, row := range byContender(c.outcomes) {
		var xys plotter.XYs
		for _, point := range groups(row, func(o outcome) string { return strconv.Itoa(o.point.column) }) {
			x := c.x(point[0])
			xys = append(xys, plotter.XY{X: x, Y: 100 * mean(point, c.by)})
			if !used[x] {
				used[x] = true
				ticks = append(ticks, plot.Tick{Value: x, Label: c.xTick(x)})
			}
		}
		slices.SortFunc(xys, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
		line, points, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, legend, err
		}
		styleOf(row[0].contender, row[0].lags).apply(line, points)
		lines = append(lines, points, line)
		name := row[0].contender
		if slices.ContainsFunc(row, func(o outcome) bool { return o.over() > 0 }) {
			name += " *"
			starred = true
		}
		legend.Add(name, line, points)
	}
	if starred {
		legend.Add("* held too much")
	}
	slices.Reverse(lines) // the first of the legend lie on top
	p.Add(lines...)
	p.X.Tick.Marker = ticks
	p.Y.Tick.Marker = plot.TickerFunc(percents)
	p.Y.Min = 10 * math.Floor(p.Y.Min/10)
	p.Y.Max = 10 * math.Ceil(p.Y.Max/10)
	switch {
	case len(used) == 1:
		p.X.Min, p.X.Max = p.X.Min*0.9, p.X.Max*1.1
	case p.X.Max/p.X.Min >= 8: // closer together, sizes are told apart on a linear axis too
		p.X.Scale = plot.LogScale{}
	}
	return p, legend, nil
}

// percents are the ticks of hit ratios: every 10, or closer in a short range.
func percents(low, high float64) []plot.Tick {
	step := 10.0
	if high-low <= 30 {
		step = 5
	}
	var ticks []plot.Tick
	for x := low; x <= high; x += step {
		ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'f', 0, 64)})
	}
	return ticks
}

var gray = color.Gray{Y: 225}

// style tells a line from the others by colour, dashes and marker.
type style struct {
	colour color.Color
	width  vg.Length
	dashes []vg.Length
	marker draw.GlyphDrawer
}

func (s style) apply(line *plotter.Line, points *plotter.Scatter) {
	line.Color, line.Width, line.Dashes = s.colour, s.width, s.dashes
	points.GlyphStyle = draw.GlyphStyle{Color: s.colour, Radius: vg.Points(3.2), Shape: s.marker}
	if s.marker == nil {
		points.Shape, points.Radius = draw.CircleGlyph{}, 0
	}
}

// styleOf gives locmem's policies solid lines and filled markers, its default a
// thick one, and peers dashed lines and open markers. A peer that is waited for
// and one that lags share a colour; the latter is dotted and pale, since it can
// stand above OPT by holding too much.
func styleOf(name string, lags bool) style {
	rgb := func(hex uint32) color.Color {
		return color.RGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 255}
	}
	long := []vg.Length{7, 3}
	if name == optName {
		return style{color.Black, vg.Points(1.5), []vg.Length{5, 4}, nil}
	}
	solid := map[string]style{
		"locmem-TinyClock": {rgb(0xd62728), vg.Points(2.6), nil, draw.CircleGlyph{}},
		"locmem-S3FIFO":    {rgb(0x1f77b4), vg.Points(1.4), nil, draw.PyramidGlyph{}},
		"locmem-SIEVE":     {rgb(0x2ca02c), vg.Points(1.4), nil, draw.BoxGlyph{}},
		"locmem-CLOCK":     {rgb(0xff7f0e), vg.Points(1.4), nil, draw.CircleGlyph{}},
		"locmem-LRU":       {rgb(0x8c564b), vg.Points(1.4), nil, draw.PyramidGlyph{}},
		"locmem-FIFO":      {rgb(0x7f7f7f), vg.Points(1.4), nil, draw.BoxGlyph{}},
	}
	if s, ok := solid[name]; ok {
		return s
	}
	peers := map[string]style{
		"otter":          {rgb(0x6a3fb5), vg.Points(1.2), long, draw.RingGlyph{}},
		"theine":         {rgb(0x17a2b8), vg.Points(1.2), long, draw.SquareGlyph{}},
		"ristretto":      {rgb(0xe377c2), vg.Points(1.2), long, draw.TriangleGlyph{}},
		"phuslu":         {rgb(0x9a8c00), vg.Points(1.2), long, draw.CrossGlyph{}},
		"freelru":        {rgb(0x00695c), vg.Points(1.2), long, draw.PlusGlyph{}},
		"golang-lru":     {rgb(0x0b3d91), vg.Points(1.2), long, draw.RingGlyph{}},
		"golang-lru-2q":  {rgb(0xb8860b), vg.Points(1.2), long, draw.SquareGlyph{}},
		"golang-lru-arc": {rgb(0x7a0045), vg.Points(1.2), long, draw.TriangleGlyph{}},
	}
	family := strings.TrimSuffix(strings.TrimSuffix(name, "-wait"), "-sync")
	s := peers[family]
	if lags {
		s.dashes, s.colour = []vg.Length{1.5, 2}, pale(s.colour)
	}
	return s
}

// pale is a colour half way to white.
func pale(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	half := func(x uint32) uint8 { return uint8((x>>8 + 255) / 2) }
	return color.RGBA{R: half(r), G: half(g), B: half(b), A: 255}
}
