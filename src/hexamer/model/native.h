// What the kernels share: numbers, products of small matrices, and threads.
//
// Two formats share all code: float32, and bfloat16 (products of bfloat16 pairs, sums in float32). Operands of products
// are read as 32-bit words: a word is one float, or two bfloat16 neighbours, and the one instruction that differs
// multiplies words and adds. G is the count of numbers in a word.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

// The OpenMP runtime that torch has loaded already; linking our own would start a second pool of threads.
extern "C" void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);

namespace {

using Word = uint32_t;
using Half = uint16_t;  // a bfloat16
template <bool HALF> using Number = std::conditional_t<HALF, Half, float>;
template <bool HALF> constexpr long G = HALF ? 2 : 1;

constexpr long LANES = 16;  // words in a register
constexpr long TILE = 8;    // rows that a product keeps in registers; row counts are padded to it

inline long round_up(long n, long step) { return (n + step - 1) / step * step; }

// A mask of the first n lanes.
inline __mmask16 first(long n) { return n >= LANES ? 0xffff : n <= 0 ? 0 : (1u << n) - 1; }

// ---- numbers ---------------------------------------------------------------------------------------------------

inline __m512 load(const float *from, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, from); }
inline __m512 load(const Half *from, __mmask16 mask) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16));
}
inline void store(float *to, __mmask16 mask, __m512 x) { _mm512_mask_storeu_ps(to, mask, x); }
inline void store(Half *to, __mmask16 mask, __m512 x) {
    _mm256_mask_storeu_epi16(to, mask, (__m256i)_mm512_cvtneps_pbh(x));
}

template <bool HALF> inline __m512 multiply_add(__m512 sum, __m512i a, __m512i b) {
    if constexpr (HALF) return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
    else return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
}

// e^x for x <= 0 (or little above). To 1 ulp for float32; to 8e-5 where the result becomes a bfloat16.
template <bool HALF> inline __m512 exponential(__m512 x) {
    const __m512 log2e = _mm512_set1_ps(1.44269504f);
    auto c = [](float value) { return _mm512_set1_ps(value); };
    if constexpr (HALF) {
        const __m512 t = _mm512_mul_ps(x, log2e), f = _mm512_reduce_ps(t, 0x01);  // above the floor
        __m512 p = _mm512_fmadd_ps(c(0.07802452f), f, c(0.22606718f));
        p = _mm512_fmadd_ps(p, f, c(0.69583352f));
        return _mm512_scalef_ps(_mm512_fmadd_ps(p, f, c(0.99992522f)), t);  // times 2^floor(t)
    } else {
        x = _mm512_max_ps(c(-104.f), x);  // e^-104 is 0; second, so that a NaN stays
        const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, log2e), 0);
        __m512 r = _mm512_fnmadd_ps(n, c(0.693359375f), x);
        r = _mm512_fnmadd_ps(n, c(-2.12194440e-4f), r);
        __m512 p = _mm512_fmadd_ps(c(0.00139506f), r, c(0.00836895f));
        p = _mm512_fmadd_ps(p, r, c(0.0416662f));
        p = _mm512_fmadd_ps(p, r, c(0.16666518f));
        p = _mm512_fmadd_ps(p, r, c(0.50000001f));
        p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, r);
        return _mm512_scalef_ps(_mm512_add_ps(p, c(1.f)), n);
    }
}

// ---- products --------------------------------------------------------------------------------------------------

// Words [depth, columns] whose column j of row d lies at d * down + j / 16 * across + j % 16.
struct Panel {
    const Word *words;
    long down, across;
};

// c [8, 16 V] = or += a [8, depth] times b.
template <bool HALF, int V>
inline void multiply_tile(const Word *a, long lda, Panel b, float *c, long ldc, long depth, bool add) {
    __m512 sum[TILE][V];
#pragma GCC unroll 8
    for (int i = 0; i < TILE; i++)
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) sum[i][v] = _mm512_setzero_ps();
    for (long d = 0; d < depth; d++) {
        __m512i right[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) right[v] = _mm512_loadu_si512(b.words + d * b.down + v * b.across);
#pragma GCC unroll 8
        for (int i = 0; i < TILE; i++) {
            const __m512i left = _mm512_set1_epi32((int)a[i * lda + d]);
#pragma GCC unroll 8
            for (int v = 0; v < V; v++) sum[i][v] = multiply_add<HALF>(sum[i][v], left, right[v]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < TILE; i++)
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) {
            float *to = c + i * ldc + v * LANES;
            _mm512_storeu_ps(to, add ? _mm512_add_ps(_mm512_loadu_ps(to), sum[i][v]) : sum[i][v]);
        }
}

// c [rows, columns] = or += a [rows, depth] times b; rows a multiple of 8, columns of 16.
template <bool HALF>
inline void multiply(const Word *a, long lda, Panel b, float *c, long ldc, long rows, long columns, long depth,
                     bool add) {
    for (long j = 0; j < columns;) {
        const long left = (columns - j) / LANES, taken = left == 4 ? 2 : std::min(left, 3L);
        const Panel part{b.words + j / LANES * b.across, b.down, b.across};
        for (long i = 0; i < rows; i += TILE) {
            const Word *ai = a + i * lda;
            float *ci = c + i * ldc + j;
            if (taken == 3) multiply_tile<HALF, 3>(ai, lda, part, ci, ldc, depth, add);
            else if (taken == 2) multiply_tile<HALF, 2>(ai, lda, part, ci, ldc, depth, add);
            else multiply_tile<HALF, 1>(ai, lda, part, ci, ldc, depth, add);
        }
        j += taken * LANES;
    }
}

// ---- arrangements of words -------------------------------------------------------------------------------------

// [rows, wide] to panels of 16 columns, [rows / 16, wide, 16]: rows become columns.
inline void to_columns(const Word *from, Word *to, long rows, long wide) {
    for (long i = 0; i < rows; i += LANES)
        for (long w = 0; w < wide; w++)
            for (long lane = 0; lane < LANES; lane++) to[i * wide + w * LANES + lane] = from[(i + lane) * wide + w];
}

// [rows, wide] to [wide, rows].
inline void transpose(const Word *from, Word *to, long rows, long wide) {
    for (long w = 0; w < wide; w++)
        for (long i = 0; i < rows; i++) to[w * rows + i] = from[i * wide + w];
}

// Rows [rows, E] of numbers to words [rows / G, E] that hold G rows of a column.
template <bool HALF> inline void pair_rows(const Word *from, Word *to, long rows, long width) {
    if constexpr (!HALF) memcpy(to, from, rows * width * sizeof(Word));
    else {
        const Half *x = (const Half *)from;
        for (long i = 0; i < rows; i += 2, x += 2 * width, to += width)
            for (long e = 0; e < width; e++) to[e] = x[e] | (Word)x[width + e] << 16;
    }
}

// ---- memory and threads ----------------------------------------------------------------------------------------

// A few arrays of one thread, taken one after the other from memory that stays for the next call.
struct Scratch {
    char *memory = nullptr;
    size_t size = 0, taken = 0;
    ~Scratch() { free(memory); }
    void reserve(size_t bytes) {
        taken = 0;
        if (bytes <= size) return;
        free(memory);
        size = round_up(bytes, 4096);
        memory = (char *)aligned_alloc(64, size);
    }
    template <class T> T *take(long count) {
        T *found = (T *)(memory + taken);
        taken += round_up(count * sizeof(T), 64);
        return found;
    }
};
inline thread_local Scratch scratch;

// Call body(n) for each n below count, on as many threads of torch's pool as `steps` (about a nanosecond each) are
// worth.
template <class Body> void share_out(long count, long threads, long steps, const Body &body) {
    constexpr long WORTH = 20000;
    struct Work {
        const Body &body;
        long count;
        std::atomic<long> next{0};
    } work{body, count};
    auto run = [](void *data) {
        Work &work = *(Work *)data;
        for (long n; (n = work.next++) < work.count;) work.body(n);
    };
    threads = std::min({threads, count, steps / WORTH});
    if (threads <= 1) run(&work);
    else GOMP_parallel(run, &work, (unsigned)threads, 0);
}

}  // namespace
