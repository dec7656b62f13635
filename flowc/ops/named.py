"""The built-in functions that the language names, so that one the compiler lacks is told apart from a slip of the pen."""

_NAMES = """
abs ceil clip cos cosh sin sinh tan tanh acos acosh asin asinh atan atanh atan2 exp expm1 exp2 log log1p log2 log10 logaddexp floor
round trunc sqrt rsqrt square cbrt sign pow hypot copysign nextafter maximum minimum where isnan isinf isfinite erf erfc lgamma digamma
bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift popcount relu relu6 leaky_relu elu selu celu gelu
silu mish sigmoid logsigmoid softplus softsign hardtanh hardsigmoid hardswish tanhshrink softshrink hardshrink threshold prelu sum prod
mean var std max min any all argmax argmin count_nonzero logsumexp norm cumsum cumprod cummax cummin zeros ones full eye arange linspace
iota one_hot zeros_like ones_like full_like reshape transpose permute broadcast_to expand squeeze unsqueeze concat stack split pad flip
roll tile repeat diag tril triu meshgrid take take_along_axis gather_nd scatter scatter_nd nonzero unique sort argsort top_k
searchsorted bincount histogram matmul dot einsum outer tensordot trace solve triangular_solve cholesky qr svd eigh inv det linear
conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d
avg_pool3d lp_pool1d lp_pool2d lp_pool3d adaptive_avg_pool2d adaptive_max_pool2d softmax log_softmax layer_norm rms_norm group_norm
instance_norm batch_norm local_response_norm dropout embedding attention rope lstm gru rnn cross_entropy nll_loss mse_loss l1_loss
smooth_l1_loss binary_cross_entropy kl_div resize grid_sample non_max_suppression roi_align pixel_shuffle fft ifft rfft irfft stft dft
hann_window uniform normal randint bernoulli permutation glorot_uniform glorot_normal he_uniform he_normal orthogonal quantize
dequantize
"""
NAMED = frozenset(_NAMES.split())
