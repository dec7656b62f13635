"""Two interleaved spirals told apart by a network of two layers, trained by Adam on batches: TensorFlow's first edition."""

import numpy as np

import flowc as tf

HIDDEN, BATCH, STEPS = 32, 64, 300

random = np.random.default_rng(1)
turn = np.sqrt(random.uniform(size=1000)) * 2 * np.pi
label = random.integers(0, 2, size=1000)
points = np.stack([turn * np.cos(turn + np.pi * label), turn * np.sin(turn + np.pi * label)], axis=1).astype(np.float32) / 6
one_hot = np.eye(2, dtype=np.float32)[label]

x = tf.placeholder(tf.float32, [None, 2])
y_ = tf.placeholder(tf.float32, [None, 2])
keep_prob = tf.placeholder(tf.float32)


def layer(inputs, size_in, size_out):
    weights = tf.Variable(tf.truncated_normal([size_in, size_out], stddev=(2 / size_in) ** 0.5))
    biases = tf.Variable(tf.zeros([size_out]))
    return tf.matmul(inputs, weights) + biases


with tf.name_scope("hidden"):
    hidden = tf.nn.relu(layer(x, 2, HIDDEN))
    hidden = tf.nn.relu(layer(hidden, HIDDEN, HIDDEN))
    hidden = tf.nn.dropout(hidden, keep_prob)
with tf.name_scope("output"):
    logits = layer(hidden, HIDDEN, 2)

cross_entropy = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y_, logits=logits))
global_step = tf.Variable(0, trainable=False)
rate = tf.train.exponential_decay(0.01, global_step, 100, 0.5, staircase=True)
train_step = tf.train.AdamOptimizer(rate).minimize(cross_entropy, global_step=global_step)
correct = tf.equal(tf.argmax(logits, 1), tf.argmax(y_, 1))
accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(STEPS):
        chosen = random.integers(0, 1000, size=BATCH)
        sess.run(train_step, {x: points[chosen], y_: one_hot[chosen], keep_prob: 0.95})
        if step % 100 == 0:
            value = sess.run(cross_entropy, {x: points, y_: one_hot, keep_prob: 1.0})
            print(f"step {step}: loss {value:.3f}")
    found = sess.run(accuracy, {x: points, y_: one_hot, keep_prob: 1.0})
    print(f"accuracy {found:.3f}")
