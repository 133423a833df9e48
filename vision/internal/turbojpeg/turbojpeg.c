//go:build cgo && unix

#define _GNU_SOURCE
#include "turbojpeg.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of turbojpeg.h. No FASTDCT (2048) and no FASTUPSAMPLE (256): Pillow uses neither, and pixels must equal Pillow's.
enum { FLAG_LIMIT_SCANS = 32768, ERR_WARNING = 0 };

// symbol stores the address of one function; a function pointer is written through a data pointer as POSIX asks.
static int symbol(void *lib, const char *name, void *slot, char *err, size_t err_size) {
	void *address = dlsym(lib, name);
	if (address == NULL) {
		snprintf(err, err_size, "it has no function %s (libjpeg-turbo 2.0 or later is needed)", name);
		return -1;
	}
	memcpy(slot, &address, sizeof address);
	return 0;
}

int tl_turbojpeg_open(tl_turbojpeg *t, const char *name, char *err, size_t err_size) {
	void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL) {
		const char *why = dlerror(); // of this thread, in this call
		snprintf(err, err_size, "%s", why != NULL ? why : "cannot open it");
		return -1;
	}
	if (symbol(lib, "tjInitDecompress", &t->init_decompress, err, err_size) != 0 ||
		symbol(lib, "tjDecompress2", &t->decompress, err, err_size) != 0 ||
		symbol(lib, "tjGetErrorStr2", &t->error_text, err, err_size) != 0 ||
		symbol(lib, "tjGetErrorCode", &t->error_code, err, err_size) != 0 ||
		symbol(lib, "tjDestroy", &t->destroy, err, err_size) != 0) {
		dlclose(lib);
		return -1;
	}
	t->version = dlsym(lib, "tj3Init") != NULL ? 3 : 2;
	Dl_info info;
	char *real = NULL;
	if (dladdr((void *)t->init_decompress, &info) != 0 && info.dli_fname != NULL) real = realpath(info.dli_fname, NULL);
	snprintf(t->path, sizeof t->path, "%s", real != NULL ? real : name);
	free(real);
	return 0; // the library stays open for the life of the process
}

void *tl_turbojpeg_new(const tl_turbojpeg *t) { return t->init_decompress(); }

void tl_turbojpeg_free(const tl_turbojpeg *t, void *handle) { t->destroy(handle); }

int tl_turbojpeg_decode(const tl_turbojpeg *t, void *handle, const unsigned char *data, size_t size, unsigned char *dst,
	int width, int height, int pixel_size, int pixel_format, char *text, size_t text_size) {
	if (t->decompress(handle, data, (unsigned long)size, dst, width, width * pixel_size, height, pixel_format,
			FLAG_LIMIT_SCANS) == 0)
		return 0;
	snprintf(text, text_size, "%s", t->error_text(handle)); // the handle's own text, not the thread's
	return t->error_code(handle) == ERR_WARNING ? 1 : -1;
}
