"""A line through points by gradient descent: a graph with variables, as in TensorFlow's first edition."""

import numpy as np

import flowc as tf

random = np.random.default_rng(0)
xs = random.uniform(-1, 1, size=100).astype(np.float32)
ys = (3 * xs + 2 + random.normal(scale=0.1, size=100)).astype(np.float32)

x = tf.placeholder(tf.float32, name="x")
y = tf.placeholder(tf.float32, name="y")
w = tf.Variable(0.0, name="weight")
b = tf.Variable(0.0, name="bias")

prediction = w * x + b
loss = tf.square(y - prediction, name="loss")
optimizer = tf.train.GradientDescentOptimizer(learning_rate=0.01).minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(10):
        total = 0.0
        for each_x, each_y in zip(xs, ys, strict=True):
            _, value = sess.run([optimizer, loss], feed_dict={x: each_x, y: each_y})
            total += value
        print(f"Epoch {epoch}: {total / len(xs):.4f}")
    weight, bias = sess.run([w, b])

print(f"w = {weight:.2f}, b = {bias:.2f}")
