package pages

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// step is what a reader does between the commands of a page, or has before the first.
type step struct {
	before string // a text in the command that it comes before; "" is the beginning of the page
	script string
}

// flags of the server that a page expects to be there.
var flags = map[string]string{
	"docs/source/api.md":        "--monitor",
	"docs/source/repository.md": "--models models",
}

const (
	// askPhotos classifies a few photos, whose answers are order-1 and so on.
	askPhotos = `n=0; for f in photos/*/*.jpg; do n=$((n + 1)); curl -H "X-Request-Id: order-$n" --data-binary @$f localhost:8080/v1/classify; done; `
	labels    = `{ echo request_id,label; for n in {1..8}; do echo order-$n,cat; done; echo order-811,dog; } >labels.csv`
	// trained makes a run that was stopped after the first of two epochs, as far as anybody can tell.
	trained = `torchlit train data.dir=data/processed/cifar10 output_dir=runs/2026-11-26/21-30-00
sed -i.bak 's/max_epochs: 1$/max_epochs: 2/' runs/2026-11-26/21-30-00/.hydra/config.yaml`
	// many puts copies of the test images beside them: some commands want hundreds.
	many        = `for i in {1..45}; do for f in data/processed/cifar10/test/*/0.png; do mkdir -p $to/$(basename $(dirname $f)); cp $f $to/$(basename $(dirname $f))/$i.png; done; done`
	manyUploads = `for i in {1..25}; do for f in uploads/[a-z]*.jpg; do cp $f uploads/$i-$(basename $f); done; done`
)

// steps of a page, by its name.
var steps = map[string][]step{
	"README.md": {
		{"path/to/model-or-models", `mkdir -p path/to; cp -r models/cifar10-resnet18 path/to/model-or-models`},
		{"--data uploads/", manyUploads},
		{"resume=", trained},
	},
	"docs/source/api.md":       {{"@labels.csv", askPhotos + "sleep 1; " + labels}},
	"docs/source/batching.md":  {{"-record", askPhotos + "sleep 2"}},
	"docs/source/drift.md":     {{"--reference photos/val", `cp -r models/cifar10-resnet18 models/photos; mkdir models/p; mv models/photos models/p/3; mv models/p models/photos; to=photos/val; ` + many}, {"--data uploads/", manyUploads}},
	"docs/source/evaluate.md":  {{"--json", `mkdir -p runs/…; cp -r models/cifar10-resnet18 runs/…/model`}},
	"docs/source/lifecycle.md": {{"kill -USR2", "PID=$server"}},
	"docs/source/model.md":     {{"path/to/cifar10", `mkdir -p path/to/cifar10; cp -r data/processed/cifar10/test path/to/cifar10/test`}},
	"docs/source/monitoring.md": {
		{"log label labels.csv", askPhotos + "sleep 1; " + labels},
		{"--shadow", `stop_server; mkdir models/m; mv models/cifar10-resnet18 models/m/1; cp -r models/m/1 models/m/2; mv models/m models/cifar10-resnet18`},
		{"log compare", askPhotos + "sleep 1; " + labels + "; torchlit log label labels.csv"},
	},
	"docs/source/precision.md":  {{"--int8", `mkdir models/photos; cp -r models/cifar10-resnet18 models/photos/1; cp -r data/processed/cifar10/train photos/train; cp -r data/processed/cifar10/test photos/test`}},
	"docs/source/profile.md":    {{"tools/flamegraph", `curl -o cpu.pprof 'localhost:6060/debug/pprof/profile?seconds=2' & profile=$!; ` + askPhotos + ` ` + askPhotos + ` wait $profile`}},
	"docs/source/repository.md": {{"", `mkdir models/cats models/dogs; cp -r models/cifar10-resnet18 models/cats/1; cp -r models/cats/1 models/cats/2; cp -r models/cats/1 models/dogs/6; mv models/cifar10-resnet18 models/dogs/7`}},
	"docs/source/retraining.md": {
		{"", `mkdir models/cifar10; mv models/cifar10-resnet18 models/cifar10/1; cp -r data/processed/cifar10/test test`},
		{"--unlabelled", askPhotos + "sleep 1"},
		{"log label", `sed -i.bak '2,$s/^\([^,]*\),,/\1,cat,/' to-label/labels.csv`},
		{"--reference test", `mkdir -p runs/fog; cp -r models/cifar10/1 runs/fog/model; to=test; ` + many},
		{"curl -X PUT", `sleep 3; rm -r models/cifar10/2; cp -r models/cifar10/1 models/cifar10/.2`},
	},
	"docs/source/security.md": {{`Bearer $KEY`, `KEY=$(grep -rhom1 'tl_billing_[A-Za-z0-9_-]*' "$PAGE_OUT" | head -1)`}},
	"docs/source/training.md": {{"resume=", trained}},
}

var classes = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// fixtures puts into the sandbox what pages name without saying where it comes from.
func fixtures(s *sandbox) {
	s.flags, s.steps = flags[s.page.name], steps[s.page.name]
	s.picture("cat.jpg", 3, 0, 96)
	s.picture("dog.jpg", 5, 0, 96)
	s.write("notes.txt", 0o644, "feed the cat\n")
	for class, name := range classes {
		for i := range 4 {
			s.picture(fmt.Sprintf("data/processed/cifar10/train/%s/%d.png", name, i), class, i, 32)
		}
		for i := range 2 {
			s.picture(fmt.Sprintf("data/processed/cifar10/test/%s/%d.png", name, i), class, 100+i, 32)
			s.picture(fmt.Sprintf("photos-by-class/%s/%d.jpg", name, i), class, 200+i, 48)
		}
		s.picture("uploads/"+name+".jpg", class, 300, 48)
	}
	if strings.HasSuffix(s.page.name, "security.md") {
		s.certificate("cert.pem", "key.pem")
	}
	for i, name := range []string{"cat", "dog"} {
		for j := range 6 {
			s.picture(fmt.Sprintf("photos/%s/%d.jpg", name, j), 3+2*i, 400+j, 64)
		}
	}
}

// picture draws one that looks a little like the others of its class and not like those of others.
func (s *sandbox) picture(name string, class, seed, side int) {
	rng := rand.New(rand.NewPCG(uint64(class), uint64(seed)))
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	turn, at := float64(class)*math.Pi/10, rng.Float64()*6
	for y := range side {
		for x := range side {
			along := math.Cos(turn)*float64(x) + math.Sin(turn)*float64(y)
			wave := 0.5 + 0.5*math.Sin(at+along*20/float64(side))
			grain := rng.IntN(24)
			img.SetRGBA(x, y, color.RGBA{byte(200*wave) + byte(grain), byte(20*class) + byte(grain), byte(180 * (1 - wave)), 255})
		}
	}
	var out bytes.Buffer
	if path.Ext(name) == ".png" {
		s.must(png.Encode(&out, img))
	} else {
		s.must(jpeg.Encode(&out, img, nil))
	}
	s.mkdir(filepath.Dir(name))
	s.must(os.WriteFile(filepath.Join(s.dir, name), out.Bytes(), 0o644))
}

// before returns what comes before a command, or before all ("").
func (s *sandbox) before(command string) string {
	out := ""
	for i, st := range s.steps {
		if command == "" && st.before == "" || command != "" && st.before != "" && strings.Contains(command, st.before) {
			s.write(fmt.Sprintf(".page/step-%d.sh", i), 0o644, s.here(st.script)+"\n")
			out += fmt.Sprintf("step %d; ", i)
		}
	}
	return out
}

// certificate is one of this machine's own, with its key.
func (s *sandbox) certificate(cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	s.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(crand.Reader, template, template, private.Public(), private)
	s.must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	s.must(err)
	s.write(cert, 0o644, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	s.write(key, 0o600, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}
