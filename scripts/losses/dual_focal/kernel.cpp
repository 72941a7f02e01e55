// Dual Focal Loss (gamma = 1, rho = 1, hard labels) and its gradient for float32 logits (B, C, N) in one pass.
// The mathematics, and its letters, are those of closed_form.py. A block of voxels is worked on class by class, so
// that every inner loop runs over voxels that lie side by side. Compiled without associative-math: (1 - e) + o must not
// become (1 + o) - e, which loses the digits of o.
#include <cmath>
#include <cstdint>
#include <vector>

namespace {
constexpr int64_t kBlock = 256;

struct Row {
    float top[kBlock], e_y[kBlock], z_y[kBlock], others[kBlock], ties[kBlock], o[kBlock], total[kBlock], log[kBlock];
    float r_sum[kBlock], largest_sum[kBlock], power_sum[kBlock], row[kBlock], inverse_o[kBlock], at_y[kBlock], w_y[kBlock];
    int32_t y[kBlock], valid[kBlock];
};
}  // namespace

// Returns how many voxels have a share o too small for 1 / o; the caller then takes another way. `valid`, `weight`,
// `gradient` and `values` may be null. `sums` holds one number a block: their order does not depend on the threads.
extern "C" int64_t dual_focal(const float* logits, const int64_t* index, const uint8_t* valid, const float* weight,
                              float* gradient, float* values, double* sums, int64_t batch, int64_t classes, int64_t size,
                              float alpha, float beta, float scale, int threads) {
    const int64_t blocks = (size + kBlock - 1) / kBlock;
    int64_t refused = 0;
#pragma omp parallel num_threads(threads) reduction(+ : refused)
    {
        std::vector<float> memory(2 * classes * kBlock);
        float *e = memory.data(), *r = e + classes * kBlock;
        Row v;
#pragma omp for schedule(static)
        for (int64_t job = 0; job < batch * blocks; ++job) {
            const int64_t b = job / blocks, start = (job % blocks) * kBlock;
            const int64_t n = size - start < kBlock ? size - start : kBlock;
            const float* x = logits + b * classes * size + start;
            for (int64_t i = 0; i < n; ++i) {
                v.y[i] = static_cast<int32_t>(index[b * size + start + i]);
                v.valid[i] = valid ? valid[b * size + start + i] : 1;
                v.top[i] = v.valid[i] ? x[i] : 0.0f;
                v.z_y[i] = v.others[i] = v.ties[i] = v.e_y[i] = v.r_sum[i] = v.largest_sum[i] = v.power_sum[i] = 0.0f;
                v.log[i] = v.w_y[i] = 1.0f;
            }
            for (int64_t c = 1; c < classes; ++c)
                for (int64_t i = 0; i < n; ++i) {
                    const float value = v.valid[i] ? x[c * size + i] : 0.0f;
                    v.top[i] = value > v.top[i] ? value : v.top[i];
                }
            for (int64_t c = 0; c < classes; ++c) {
                const float w = weight ? weight[c] : 1.0f;
                for (int64_t i = 0; i < n; ++i) {
                    const float z = (v.valid[i] ? x[c * size + i] : 0.0f) - v.top[i];
                    const float power = expf(z);
                    const bool mine = v.y[i] == c;
                    const float other = mine ? 0.0f : power;
                    v.z_y[i] = mine ? z : v.z_y[i];
                    v.e_y[i] = mine ? power : v.e_y[i];
                    v.w_y[i] = mine ? w : v.w_y[i];
                    const float tie = other == 1.0f ? 1.0f : 0.0f;
                    v.ties[i] += tie;
                    v.others[i] += other - tie;
                    e[c * kBlock + i] = other;
                }
            }
            for (int64_t i = 0; i < n; ++i) {
                const float rest = (v.ties[i] - 1.0f) + v.e_y[i];
                v.o[i] = v.others[i] + rest;
                v.total[i] = v.o[i] + 1.0f;
                refused += v.valid[i] && !(v.o[i] >= 1e-30f);
                v.inverse_o[i] = 1.0f / v.o[i];
                if (weight) v.log[i] = 0.0f;
            }
            for (int64_t c = 0; c < classes; ++c) {
                const float w = weight ? weight[c] : 1.0f;
                float *e_c = e + c * kBlock, *r_c = r + c * kBlock;
                for (int64_t i = 0; i < n; ++i) {
                    const float tie = e_c[i] == 1.0f ? 1.0f : 0.0f;
                    const float away = 1.0f - e_c[i];
                    const float margin = away + v.o[i];
                    const float ratio = w * (e_c[i] - tie) / margin;
                    const float share = margin / v.total[i];
                    v.log[i] = weight ? v.log[i] + w * logf(share) : v.log[i] * share;
                    v.r_sum[i] += ratio;
                    v.largest_sum[i] += w * tie;
                    v.power_sum[i] += w * e_c[i];
                    r_c[i] = ratio;
                }
            }
            double sum = 0.0;
            for (int64_t i = 0; i < n; ++i) {
                const float inverse = 1.0f / v.total[i], w_y = v.w_y[i], p_y = v.e_y[i] * inverse;
                const float away = 1.0f - v.e_y[i];
                const float q_y = (away + v.o[i]) * inverse;
                const float powers = v.power_sum[i] * inverse, focal = alpha * (powers + w_y * q_y);
                const float margins = weight ? v.log[i] : logf(v.log[i]);
                const float value = focal + w_y * (logf(v.total[i]) - v.z_y[i]) - beta * margins;
                const float q = v.r_sum[i] + v.largest_sum[i] * v.inverse_o[i];
                v.at_y[i] = -w_y * q_y - p_y * (focal + beta * q);
                v.row[i] = w_y - alpha * (powers - w_y * p_y) - beta * v.r_sum[i];
                v.total[i] = v.valid[i] ? inverse * scale : 0.0f;  // factor of e from here on
                v.at_y[i] = v.valid[i] ? v.at_y[i] * scale : 0.0f;
                v.log[i] = v.valid[i] ? value : 0.0f;
            }
            for (int64_t i = 0; i < n; ++i) sum += v.log[i];
            sums[job] = sum;
            if (values)
                for (int64_t i = 0; i < n; ++i) values[b * size + start + i] = v.log[i];
            if (!gradient) continue;
            for (int64_t c = 0; c < classes; ++c) {
                const float w = weight ? weight[c] : 1.0f;
                const float *e_c = e + c * kBlock, *r_c = r + c * kBlock;
                float* g = gradient + (b * classes + c) * size + start;
                for (int64_t i = 0; i < n; ++i) {
                    const float tie = e_c[i] == 1.0f ? w : 0.0f;
                    const float apart = (tie - v.largest_sum[i]) * v.inverse_o[i];
                    const float inner = v.row[i] + (alpha + beta) * w + beta * (apart + r_c[i]);
                    const float slope = e_c[i] * v.total[i] * inner;
                    g[i] = v.y[i] == c ? v.at_y[i] : slope;
                }
            }
        }
    }
    return refused;
}
