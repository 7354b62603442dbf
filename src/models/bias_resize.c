/* bias_resize.c - relative position bias for another window, as ram/models/swin_transformer.py's
 * loader does it (SPEC 2.3): the old table's positions are laid on a geometric grid that reaches as
 * far as the new one, and a cubic spline with not-a-knot ends is read off at whole steps. */
#include "models/swin_tables.h"

#include <math.h>
#include <string.h>

/* q with 1 + q + ... + q^(half_in - 1) = half_out, by the official bisection. */
static double grid_ratio(size_t half_in, size_t half_out)
{
    double left = 1.01, right = 1.5, q = left;
    while (right - left > 1e-6) {
        q = (left + right) / 2;
        const double reach = (1 - pow(q, (double)half_in)) / (1 - q);
        if (reach > (double)half_out)
            right = q;
        else
            left = q;
    }
    return q;
}

/* Solves a x = b in place, n <= 255, by Gauss with row pivots: tables are small and seldom. */
static bool solve(double *a, double *b, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        size_t pivot = c;
        for (size_t r = c + 1; r < n; r++) {
            if (fabs(a[r * n + c]) > fabs(a[pivot * n + c])) pivot = r;
        }
        if (a[pivot * n + c] == 0) return false;
        for (size_t k = 0; k < n && pivot != c; k++) {
            const double t = a[c * n + k];
            a[c * n + k] = a[pivot * n + k];
            a[pivot * n + k] = t;
        }
        const double t = b[c];
        b[c] = b[pivot];
        b[pivot] = t;
        for (size_t r = c + 1; r < n; r++) {
            const double f = a[r * n + c] / a[c * n + c];
            if (f == 0) continue;
            for (size_t k = c; k < n; k++)
                a[r * n + k] -= f * a[c * n + k];
            b[r] -= f * b[c];
        }
    }
    for (size_t c = n; c-- > 0;) {
        for (size_t k = c + 1; k < n; k++)
            b[c] -= a[c * n + k] * b[k];
        b[c] /= a[c * n + c];
    }
    return true;
}

/* Second derivatives m of the not-a-knot spline through (x, y); `a` is [n, n] scratch. */
static bool spline_second(const double *x, const double *y, double *m, double *a, size_t n)
{
    memset(a, 0, n * n * sizeof *a);
    for (size_t i = 1; i + 1 < n; i++) {
        const double h0 = x[i] - x[i - 1], h1 = x[i + 1] - x[i];
        a[i * n + i - 1] = h0;
        a[i * n + i] = 2 * (h0 + h1);
        a[i * n + i + 1] = h1;
        m[i] = 6 * ((y[i + 1] - y[i]) / h1 - (y[i] - y[i - 1]) / h0);
    }
    // the third derivative does not jump at the second and the last but one knot
    const double h0 = x[1] - x[0], h1 = x[2] - x[1], hy = x[n - 2] - x[n - 3],
                 hz = x[n - 1] - x[n - 2];
    a[0] = h1;
    a[1] = -(h0 + h1);
    a[2] = h0;
    m[0] = 0;
    a[(n - 1) * n + n - 3] = hz;
    a[(n - 1) * n + n - 2] = -(hy + hz);
    a[(n - 1) * n + n - 1] = hy;
    m[n - 1] = 0;
    if (n == 3) { // two intervals, one cubic: not-a-knot is then the parabola through three points
        a[0] = 1, a[1] = -1, a[2] = 0;
        a[6] = 0, a[7] = -1, a[8] = 1;
    }
    return solve(a, m, n);
}

static double spline_at(const double *x, const double *y, const double *m, size_t n, double at)
{
    if (at < x[0]) at = x[0];
    if (at > x[n - 1]) at = x[n - 1];
    size_t i = 0;
    while (i + 2 < n && at > x[i + 1])
        i++;
    const double h = x[i + 1] - x[i], l = (x[i + 1] - at) / h, r = (at - x[i]) / h;
    return l * y[i] + r * y[i + 1] +
           ((l * l * l - l) * m[i] + (r * r * r - r) * m[i + 1]) * h * h / 6;
}

/* A [side_out, side_in]: column j is the spline through the j-th unit vector, read at the targets. */
static bool resize_matrix(double *matrix, size_t side_in, size_t side_out, double *work)
{
    const size_t half = side_in / 2;
    double *x = work, *y = x + side_in, *m = y + side_in, *a = m + side_in;
    const double q = grid_ratio(half, side_out / 2);
    double step = 1, at = 0;
    x[half] = 0;
    for (size_t i = 1; i <= half; i++) {
        at += step;
        step *= q;
        x[half + i] = at;
        x[half - i] = -at;
    }
    for (size_t j = 0; j < side_in; j++) {
        for (size_t i = 0; i < side_in; i++)
            y[i] = i == j;
        if (!spline_second(x, y, m, a, side_in)) return false;
        for (size_t t = 0; t < side_out; t++)
            matrix[t * side_in + j] = spline_at(x, y, m, side_in,
                                                (double)t - (double)(side_out / 2));
    }
    return true;
}

at_status at_bias_table_resize(const float *in, size_t side_in, float *out, size_t side_out,
                               size_t heads, const at_allocator *al, at_error *err)
{
    if (side_in < 3 || side_in > 511 || side_in % 2 == 0 || side_out < 1 || side_out > 511 ||
        side_out % 2 == 0)
        return at_fail(err, AT_E_MODEL_MISMATCH,
                       "a bias table of side %zu cannot become one of side %zu", side_in, side_out);
    const size_t n_matrix = side_out * side_in, n_work = side_in * (side_in + 3);
    double *matrix = at_calloc(al, 2 * n_matrix + n_work, sizeof *matrix);
    if (!matrix) return at_fail(err, AT_E_OUT_OF_MEMORY, "no memory for resizing a bias table");
    double *half = matrix + n_matrix, *work = half + n_matrix;
    at_status status = AT_OK;
    if (!resize_matrix(matrix, side_in, side_out, work))
        status = at_fail(err, AT_E_INTERNAL, "the spline of a bias table has no solution");
    for (size_t h = 0; status == AT_OK && h < heads; h++) {
        for (size_t r = 0; r < side_in; r++) { // half = old A^T, [side_in, side_out]
            for (size_t t = 0; t < side_out; t++) {
                double sum = 0;
                for (size_t c = 0; c < side_in; c++)
                    sum += matrix[t * side_in + c] * (double)in[(r * side_in + c) * heads + h];
                half[r * side_out + t] = sum;
            }
        }
        for (size_t t = 0; t < side_out; t++) {
            for (size_t c = 0; c < side_out; c++) {
                double sum = 0;
                for (size_t r = 0; r < side_in; r++)
                    sum += matrix[t * side_in + r] * half[r * side_out + c];
                out[(t * side_out + c) * heads + h] = (float)sum;
            }
        }
    }
    at_free(al, matrix);
    return status;
}
