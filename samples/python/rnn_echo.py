"""A recurrent network that says what it was told three steps before, unrolled step by step: TensorFlow's first edition."""

import numpy as np

import flowc as tf

STEPS, BATCH, STATE, ECHO = 8, 16, 12, 3
random = np.random.default_rng(2)

batch_x = tf.placeholder(tf.float32, [BATCH, STEPS])
batch_y = tf.placeholder(tf.int32, [BATCH, STEPS])


def rnn_cell(rnn_input, state):
    with tf.variable_scope("rnn_cell", reuse=tf.AUTO_REUSE):
        W = tf.get_variable("W", [1 + STATE, STATE])
        b = tf.get_variable("b", [STATE], initializer=tf.constant_initializer(0.0))
    return tf.tanh(tf.matmul(tf.concat([rnn_input, state], 1), W) + b)


state = tf.zeros([BATCH, STATE])
outputs = []
for rnn_input in tf.unstack(batch_x, axis=1):
    state = rnn_cell(tf.reshape(rnn_input, [BATCH, 1]), state)
    outputs.append(state)

with tf.variable_scope("softmax"):
    W2 = tf.get_variable("W", [STATE, 2])
    b2 = tf.get_variable("b", [2], initializer=tf.zeros_initializer())
logits = [tf.matmul(output, W2) + b2 for output in outputs]
labels = tf.unstack(batch_y, axis=1)
losses = [
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logit)
    for label, logit in zip(labels[ECHO:], logits[ECHO:], strict=True)
]
total_loss = tf.reduce_mean(tf.stack(losses))
optimizer = tf.train.AdamOptimizer(0.02)
gradients, variables = zip(*optimizer.compute_gradients(total_loss), strict=True)
gradients, norm = tf.clip_by_global_norm(gradients, 5.0)
train_step = optimizer.apply_gradients(zip(gradients, variables, strict=True))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(101):
        x = random.integers(0, 2, size=(BATCH, STEPS))
        y = np.roll(x, ECHO, axis=1)
        loss, _ = sess.run([total_loss, train_step], feed_dict={batch_x: x.astype(np.float32), batch_y: y.astype(np.int32)})
        if step % 50 == 0:
            print(f"step {step}: loss {loss:.3f}")
