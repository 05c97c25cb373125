// Work on each number or row by itself: SwiGLU, and LayerNorm from float32 to bfloat16.
//
// Built and called by native.py. Plain torch does each in several passes over memory, with copies between formats; here
// each is one pass. Sums over rows are taken in blocks that depend on nothing but the row's number.

#include "native.h"

#include <cmath>

namespace {

constexpr long ROWS = 64;  // rows in a piece of work

template <bool HALF> __m512 logistic(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.f);
    return _mm512_div_ps(one, _mm512_add_ps(one, exponential<HALF>(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// Call body(row) for each row.
template <class Body> void each_row(long rows, long width, long threads, const Body &body) {
    share_out((rows + ROWS - 1) / ROWS, threads, rows * width, [&](long block) {
        for (long row = block * ROWS; row < std::min(rows, (block + 1) * ROWS); row++) body(row);
    });
}

// x [rows, 2 width], gates first, to [rows, width].
template <bool HALF> void swiglu(const Number<HALF> *x, Number<HALF> *out, long rows, long width, long threads) {
    each_row(rows, width, threads, [&](long row) {
        const auto *gates = x + row * 2 * width, *passed = gates + width;
        for (long e = 0; e < width; e += LANES) {
            const __mmask16 mask = first(width - e);
            const __m512 gate = load(gates + e, mask);
            const __m512 opened = _mm512_mul_ps(gate, logistic<HALF>(gate));
            store(out + row * width + e, mask, _mm512_mul_ps(opened, load(passed + e, mask)));
        }
    });
}

template <bool HALF>
void swiglu_back(const Number<HALF> *x, const Number<HALF> *gradient, Number<HALF> *to, long rows, long width,
                 long threads) {
    const __m512 one = _mm512_set1_ps(1.f);
    each_row(rows, width, threads, [&](long row) {
        const auto *gates = x + row * 2 * width, *passed = gates + width;
        for (long e = 0; e < width; e += LANES) {
            const __mmask16 mask = first(width - e);
            const __m512 gate = load(gates + e, mask), by = load(gradient + row * width + e, mask);
            const __m512 open = logistic<HALF>(gate), opened = _mm512_mul_ps(gate, open);
            const __m512 slope = _mm512_fmadd_ps(opened, _mm512_sub_ps(one, open), open);
            const __m512 there = _mm512_mul_ps(by, load(passed + e, mask));
            store(to + row * 2 * width + e, mask, _mm512_mul_ps(there, slope));
            store(to + row * 2 * width + width + e, mask, _mm512_mul_ps(by, opened));
        }
    });
}

}  // namespace

extern "C" {

void swiglu_forward(const void *x, void *out, int64_t rows, int64_t width, int64_t half, int64_t threads) {
    if (half) swiglu<true>((const Half *)x, (Half *)out, rows, width, threads);
    else swiglu<false>((const float *)x, (float *)out, rows, width, threads);
}

void swiglu_backward(const void *x, const void *gradient, void *to, int64_t rows, int64_t width, int64_t half,
                     int64_t threads) {
    if (half) swiglu_back<true>((const Half *)x, (const Half *)gradient, (Half *)to, rows, width, threads);
    else swiglu_back<false>((const float *)x, (const float *)gradient, (float *)to, rows, width, threads);
}

// x [rows, width] to bfloat16 [rows, width]; `moments` [rows, 2] keeps each row's mean and 1 / standard deviation.
void norm_forward(const float *x, const float *weight, const float *bias, Half *out, float *moments, int64_t rows,
                  int64_t width, float epsilon, int64_t threads) {
    each_row(rows, width, threads, [&](long row) {
        const float *in = x + row * width;
        __m512 sum = _mm512_setzero_ps();
        for (long e = 0; e < width; e += LANES) sum = _mm512_add_ps(sum, load(in + e, first(width - e)));
        const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
        sum = _mm512_setzero_ps();
        for (long e = 0; e < width; e += LANES) {
            const __mmask16 mask = first(width - e);
            const __m512 off = _mm512_maskz_sub_ps(mask, load(in + e, mask), mean);
            sum = _mm512_fmadd_ps(off, off, sum);
        }
        const float scale = 1.f / std::sqrt(_mm512_reduce_add_ps(sum) / width + epsilon);
        for (long e = 0; e < width; e += LANES) {
            const __mmask16 mask = first(width - e);
            const __m512 normal = _mm512_mul_ps(_mm512_sub_ps(load(in + e, mask), mean), _mm512_set1_ps(scale));
            store(out + row * width + e, mask, _mm512_fmadd_ps(normal, load(weight + e, mask), load(bias + e, mask)));
        }
        moments[2 * row] = _mm512_cvtss_f32(mean), moments[2 * row + 1] = scale;
    });
}

// Gradients of x [rows, width], and of weight and bias [width] from `partial` [blocks of 64 rows, 2, width].
void norm_backward(const float *x, const Half *gradient, const float *weight, const float *moments, float *to,
                   float *partial, float *weight_gradient, float *bias_gradient, int64_t rows, int64_t width,
                   int64_t threads) {
    const long blocks = (rows + ROWS - 1) / ROWS;
    memset(partial, 0, blocks * 2 * width * sizeof(float));
    each_row(rows, width, threads, [&](long row) {
        const float *in = x + row * width;
        const Half *by = gradient + row * width;
        float *weights = partial + row / ROWS * 2 * width, *biases = weights + width;
        const __m512 mean = _mm512_set1_ps(moments[2 * row]), scale = _mm512_set1_ps(moments[2 * row + 1]);
        __m512 sum = _mm512_setzero_ps(), product = _mm512_setzero_ps();
        for (long e = 0; e < width; e += LANES) {
            const __mmask16 mask = first(width - e);
            const __m512 g = load(by + e, mask), normal = _mm512_mul_ps(_mm512_sub_ps(load(in + e, mask), mean), scale);
            const __m512 scaled = _mm512_mul_ps(g, load(weight + e, mask));
            sum = _mm512_add_ps(sum, scaled), product = _mm512_fmadd_ps(scaled, normal, product);
            store(weights + e, mask, _mm512_fmadd_ps(g, normal, load(weights + e, mask)));
            store(biases + e, mask, _mm512_add_ps(g, load(biases + e, mask)));
        }
        const __m512 level = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
        const __m512 tilt = _mm512_set1_ps(_mm512_reduce_add_ps(product) / width);
        for (long e = 0; e < width; e += LANES) {
            const __mmask16 mask = first(width - e);
            const __m512 normal = _mm512_mul_ps(_mm512_sub_ps(load(in + e, mask), mean), scale);
            __m512 moved = _mm512_fmsub_ps(load(by + e, mask), load(weight + e, mask), level);
            moved = _mm512_fnmadd_ps(normal, tilt, moved);
            store(to + row * width + e, mask, _mm512_mul_ps(moved, scale));
        }
    });
    for (long e = 0; e < width; e++) {
        weight_gradient[e] = bias_gradient[e] = 0.f;
        for (long block = 0; block < blocks; block++) {
            weight_gradient[e] += partial[block * 2 * width + e];
            bias_gradient[e] += partial[block * 2 * width + width + e];
        }
    }
}

}  // extern "C"
