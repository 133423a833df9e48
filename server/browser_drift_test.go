package server

import (
	"context"
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

type object = map[string]any

// madeUpDrift is a status as a watcher tells it: so many windows, of which those from drifts on drift, of a model with so many classes.
func madeUpDrift(version string, windows, drifts, classes int) object {
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	name := func(c int) string {
		if classes == 3 {
			return colours[c]
		}
		return fmt.Sprintf("a_class_with_a_rather_long_name_%d", c)
	}
	var tested []object
	for i := range windows {
		moved := i >= drifts
		far := 0.0
		if moved {
			far = min(1, float64(i-drifts+2)/6)
		}
		until := now.Add(-time.Duration(windows-1-i) * 17 * time.Minute).UTC()
		test := func(detector string, calm, wide float64, part string) object {
			p := 0.1 + 0.9*rng.Float64()
			if moved {
				p = math.Pow(10, -2-3*far)
			}
			return object{"detector": detector, "score": calm*(0.8+0.4*rng.Float64()) + far*wide, "p": p / 6, "adjusted_p": p, "drifted": moved, "part": part}
		}
		accuracy := 0.945 - 0.2*far + 0.01*rng.Float64()
		wide := 0.02 + 0.07*far
		shares := []object{}
		for c := range min(20, classes) {
			shares = append(shares, object{"label": name(c), "reference": 1 / float64(classes), "window": (1 + far*float64(2-c%5)/3) / float64(classes), "ks": 0.3 / float64(c+1)})
		}
		property := func(name string, was, is, p float64, known int) object {
			return object{"property": name, "reference": was, "window": is, "psi": 0.02 + far*(1-p), "js": 0.1, "p": p, "known": known}
		}
		detector, least := "properties", 0.4
		if moved {
			detector, least = "bbsd", 0.002
		}
		tested = append(tested, object{
			"from": until.Add(-15 * time.Minute), "until": until, "answers": 500, "drifted": moved, "detector": detector, "p": least,
			"tests": []object{
				test("bbsd", 0.04, 0.4, name(0)), test("mmd", 0.001, 0.05, ""), test("classifier", 0.52, 0.35, ""), test("ood", 0.05, 0.5, ""),
				test("properties", 0.03, 1.5, "brightness"), test("classes", 0.05, 0.2, name(1)),
			},
			"estimated_accuracy": object{"n": 500, "accuracy": accuracy, "low": accuracy - wide, "high": min(1, accuracy+wide), "unsure": wide > 0.05},
			"shift":              far, "mean_confidence": 0.9, "strange_share": 0.008 + 0.004*rng.Float64() + 0.3*far, "classes": shares,
			"properties": []object{
				property("brightness", 0.47, 0.47-0.25*far, 1-0.9999*far, 500), property("contrast", 0.24, 0.23, 0.3, 500), property("saturation", 0.26, 0.25, 0.5, 500),
				property("sharpness", 0.0123, 0.0119, 0.8, 500), property("size", 320, 320, 1, 500), property("aspect", 0, 0, 1, 0),
			},
		})
	}
	raised := windows-drifts >= 3
	alarm := object{"raised": raised, "since": "0001-01-01T00:00:00Z", "row": max(0, windows-drifts)}
	if raised {
		alarm = object{"raised": true, "since": tested[drifts+2]["until"], "row": 0}
	}
	return object{
		"model": "colours", "version": version, "window": 500, "in_row": 3, "alpha": 0.05, "alarm": alarm, "waiting": 312, "windows": tested,
		"reference":   object{"source": "test images", "images": 10000, "samples": 2000, "accuracy": 0.953, "embeddings": true},
		"accuracy":    object{"since": now.Add(-time.Hour), "labelled": 420, "correct": 340, "interval": []float64{0.769, 0.844}, "report": object{}},
		"comparisons": []object{{"model": "colours", "version": version, "other": "3", "images": 1200, "agreed": 1100, "labelled": 80, "both_right": 70, "only_version": 2, "only_other": 5, "neither_right": 3}},
	}
}

// driftingConfig serves a version with an alarm, one without windows, and one without a reference.
func driftingConfig(statuses map[string]object) Config {
	cfg := dashboardConfig()
	cfg.DriftStatus = func(_, version string) (any, bool) {
		s, ok := statuses[version]
		return s, ok
	}
	return cfg
}

func statusesOfAll() map[string]object {
	fresh, bare := madeUpDrift("2", 0, 0, 3), madeUpDrift("3", 0, 0, 3)
	fresh["accuracy"], fresh["comparisons"] = nil, nil
	bare["reference"], bare["comparisons"] = nil, nil
	return map[string]object{"1": madeUpDrift("1", 24, 18, 3), "2": fresh, "3": bare}
}

// TestDriftInBrowser: the section says in words, numbers, charts and tables what a version's status says, of each version that is watched.
func TestDriftInBrowser(t *testing.T) {
	b := openTab(t, []string{"/predictions/pictures"}) // 401 before the key is given
	cfg := driftingConfig(statusesOfAll())
	cfg.PredictionLog, cfg.AdminKey = &stuckLog{}, "0123456789abcdef"
	cfg.Pictures = func(_ context.Context, _, version string, _ int) ([]LoggedPicture, error) {
		if version != "1" {
			return nil, nil
		}
		truth, ood := "blue", 12.5
		return []LoggedPicture{
			{RequestID: "a", Time: time.Now(), Label: "red", Probability: 0.9, OOD: &ood, Truth: &truth, PNG: redPNG},
			{RequestID: "b", Time: time.Now(), Label: "blue", Probability: 0.8, PNG: pngOf(picture(8, 8, color.RGBA{0, 0, 255, 255}))},
		}, nil
	}
	_, addr := openTCP(t, cfg)
	b.desk()
	b.do(chromedp.Navigate("http://" + addr + "/dashboard"))
	b.until(`document.querySelector("#verdict").dataset.state === "alarm"`)
	b.has("#verdict", "Alarm since", "no longer looks like its reference", "how sure it is of each class", "the class red")
	b.has("#drift-tiles", "raised", "6 of the last 20 windows drifted", "312 of 500", "Estimated accuracy", "unsure", "By labels 81.0 %", "On the reference 95.3 %", "10,000 images", "Unlike any class")
	b.must(`document.querySelectorAll("#tests figure").length === 6 && document.querySelectorAll("#tests figure.drifted").length === 6`)
	b.must(`document.querySelectorAll("#tests figure:first-child circle.w-drifted").length === 6`)
	b.must(`document.querySelectorAll("#tests figure:first-child circle.w-calm").length === 18`)
	b.must(`/newest 0\.\d+, p < 0\.0001; 6 windows drifted/.test(document.querySelector("#tests figure:first-child > svg").getAttribute("aria-label"))`)
	b.must(`document.querySelector("#accuracy .band") && document.querySelectorAll("#accuracy .w-unsure").length === 5 && document.querySelector("#accuracy rect.w-realised")`)
	b.must(`/estimated 7\d\.\d %.*unsure.*By labels 81\.0 %/.test(document.querySelector("#accuracy > svg").getAttribute("aria-label"))`)
	b.has("#moved-classes", "red", "33.3 % → 55.6 %")
	b.has("#moved-properties tr.moved", "Brightness", "0.47", "0.22")
	b.has("#moved-properties", "Width over height", "not known")
	b.has("#comparisons", "Version 1 and version 3", "91.7 % of 1,200 images", "only 3 on 5")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#tests summary").click(); 0`))
	b.until(`document.querySelectorAll("#tests figure:first-child tbody tr").length === 24`)

	b.do(chromedp.Click(chromedp.CSS("#pictures-show")))
	b.until(`!document.querySelector("#pictures-ask").hidden`)
	b.has("#pictures-hint", "admin key")
	b.do(chromedp.SendKeys(chromedp.CSS("#pictures-key"), cfg.AdminKey))
	b.do(chromedp.Click(chromedp.CSS("#pictures-show")))
	b.until(`[...document.querySelectorAll("#thumbs img")].filter((i) => i.complete && i.naturalWidth === 8).length === 2`)
	b.has("#thumbs", "red 90.0 %", "is blue", "strangeness 12.5", "blue 80.0 %")
	b.must(`document.querySelector("#pictures-key").value === "" && sessionStorage.length === 0`)

	choose := func(version, state string) {
		b.do(chromedp.SetValue(chromedp.CSS("#drift-version"), fmt.Sprintf(`["colours","%s"]`, version)))
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#drift-version").dispatchEvent(new Event("change")); 0`))
		b.until(fmt.Sprintf(`document.querySelector("#verdict").dataset.state === %q`, state))
	}
	choose("2", "none")
	b.has("#verdict", "No window has been tested yet", "500", "312")
	b.must(`document.querySelector("#drift-figures").hidden && document.querySelector("#comparisons").hidden && !document.querySelector("#thumbs img")`)
	b.has("#drift-tiles", "no labels came back")
	b.do(chromedp.Click(chromedp.CSS("#pictures-show")))
	b.until(`/No pictures of this version/.test(document.querySelector("#pictures-hint").textContent)`)
	choose("3", "none")
	b.until(`/no reference/.test(document.querySelector("#verdict").textContent)`)
	b.phone()
	choose("1", "alarm")
	b.fits()
}

// TestDriftIsHidden: where nothing is watched the page neither shows the section nor asks for it, and very many classes and windows fit.
func TestDriftIsHidden(t *testing.T) {
	b := openTab(t, nil) // a question would be a 404, of which the console tells
	_, addr := openTCP(t, dashboardConfig())
	b.do(chromedp.Navigate("http://" + addr + "/dashboard"))
	b.until(`document.querySelector("#models tbody th span")`)
	b.must(`document.querySelector("#drift").hidden`)

	_, addr = openTCP(t, driftingConfig(map[string]object{"1": madeUpDrift("1", 200, 199, 1000)}))
	b.do(chromedp.Navigate("http://" + addr + "/dashboard"))
	b.until(`document.querySelector("#verdict").dataset.state === "watch"`)
	b.has("#verdict", "1 window has drifted", "2 more in a row raise the alarm")
	b.has("#moved-classes", "a class with a rather long name 0")
	b.must(`document.querySelectorAll("#moved-classes li").length === 8 && document.querySelectorAll("#tests circle").length === 6`)
	for _, wide := range []bool{true, false} {
		if wide {
			b.desk()
		} else {
			b.phone()
		}
		b.fits()
	}
}

// TestMadeUpDrift: what the browser is shown is what the API describes.
func TestMadeUpDrift(t *testing.T) {
	compile := schemas(t)
	for version, s := range statusesOfAll() {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if err := compile("/components/schemas/Drift").Validate(v); err != nil {
			t.Errorf("version %s: %v", version, err)
		}
	}
}
