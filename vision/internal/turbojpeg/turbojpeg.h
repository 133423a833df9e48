// The few functions of libjpeg-turbo's TurboJPEG API that decoding needs, found at run time.
// Every function reports in its return value and in the caller's own buffer: TurboJPEG also keeps a "last error" per thread,
// which a goroutine, that may change threads between two calls, must not read.
#ifndef TORCHLIT_TURBOJPEG_H
#define TORCHLIT_TURBOJPEG_H

#include <stddef.h>

typedef struct {
	void *(*init_decompress)(void);
	int (*decompress)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int);
	char *(*error_text)(void *);
	int (*error_code)(void *);
	int (*destroy)(void *);
	int version;     // of the API: 2 or 3
	char path[1024]; // of the file that was opened
} tl_turbojpeg;

// Opens the library by file name and fills the table. Returns 0, or -1 with the reason in err.
int tl_turbojpeg_open(tl_turbojpeg *t, const char *name, char *err, size_t err_size);

// Creates a decompressor, which one thread at a time may use. Returns NULL when memory is short.
void *tl_turbojpeg_new(const tl_turbojpeg *t);

void tl_turbojpeg_free(const tl_turbojpeg *t, void *handle);

// Decodes a whole file to dst, rows of width * pixel size bytes without padding. Returns 0 when all is well, 1 when the
// library warned (the pixels are there but may be wrong), -1 when it failed; text says why in the latter two.
int tl_turbojpeg_decode(const tl_turbojpeg *t, void *handle, const unsigned char *data, size_t size, unsigned char *dst,
	int width, int height, int pixel_size, int pixel_format, char *text, size_t text_size);

#endif
