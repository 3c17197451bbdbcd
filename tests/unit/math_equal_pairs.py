"""Equal answers, labelled by hand: one pair a line, " ~ " between the two."""

EQUAL = r"""
18 ~ 18
18 ~ 18.0
18 ~ 18.
18 ~ +18
18 ~ 018
18 ~ 18 dollars
18 ~ $18
18 ~ \$18
18 ~ $18.00
18 ~ **18**
18 ~ `18`
18 ~ (18)
18 ~ {18}
18 ~ \boxed{18}
18 ~ $\boxed{18}$
18 ~ \text{18}
18 ~ = 18
18 ~ 18 eggs per day
18 ~ 18 eggs.
18 ~ about 18
18 ~ \(18\)
18 ~ \[18\]
18 ~ $$18$$
18 ~ 36/2
18 ~ \frac{36}{2}
18 ~ \dfrac{54}{3}
18 ~ 1.8e1
18 ~ 1.8 \times 10^1
18 ~ 1.8 x 10^{1}
18 ~ １８
18 ~ ١٨
18 ~ १८
18 ~ 18 cm
18 ~ 18cm
18 ~ 18 cm^2
18 ~ 18 \text{ cm}
18 ~ 18\mbox{ cm}^2
18 ~ 18 \text{ cm}^{2}
18 ~ 18\,\mathrm{kg}
18 ~ 18 miles per hour
18 ~ 18 km/h
18 ~ 18 students
18 ~ 18%
18 ~ 18\%
18 ~ 18 percent
18 ~ 18^\circ
18 ~ 18^{\circ}
18 ~ 18°
18 ~ 18 degrees
18 ~ 18\text{ degrees}
18 ~ USD 18
18 ~ €18
1,200 ~ 1200
1,200 ~ 1200.00
1,200 ~ $1,200
1,200 ~ 1{,}200
1,200 ~ 1,\!200
1,200 ~ 1\,200
1,200 ~ 1.2 thousand
1,200 ~ 12 hundred
1,450,000 ~ 1450000
1,450,000 ~ 1.45 million
1,450,000 ~ 1.45 million dollars
1,450,000 ~ 1.45 \times 10^6
1,450,000 ~ 1.45 \cdot 10^{6}
11,\! 111,\! 111,\! 100 ~ 11111111100
\$32,\!348 ~ 32348
-1.8 billion ~ -1,800,000,000
-5 ~ −5
-5 ~ –5
-5 ~ -5.0
-5 ~ -\frac{10}{2}
-5 ~ \frac{-10}{2}
-5 ~ \frac{10}{-2}
-5 ~ -10/2
-5 ~ - 5
-5 ~ -$5
-5 ~ $-5
-5 ~ -5 degrees
0 ~ -0
0 ~ 0.0
0 ~ 0/7
1/4 ~ 0.25
1/4 ~ .25
1/4 ~ 2/8
1/4 ~ \frac14
1/4 ~ \frac{1}{4}
1/4 ~ \tfrac14
1/4 ~ \dfrac{1}{4}
1/4 ~ \frac 14
1/4 ~ \frac1{4}
1/4 ~ \frac{1}4
1/4 ~ ¼
1/4 ~ 1 / 4
1/4 ~ 1⁄4
1/4 ~ 0.25 hours
1/4 ~ 25/100
1/4 ~ \frac{0.5}{2}
1/4 ~ \frac{1}{4} of the cake
1 3/4 ~ 7/4
1 3/4 ~ 1.75
1 3/4 ~ 1\frac{3}{4}
1 3/4 ~ 1 \frac34
1 3/4 ~ 1¾
-1 1/2 ~ -1.5
-1\frac{1}{2} ~ -\frac{3}{2}
137 \frac{1}{2} ~ 137.5
.0000672 ~ 6.72e-5
.0000672 ~ 0.0000672
.0000672 ~ 6.72 \times 10^{-5}
.35625 ~ 57/160
0.5 ~ 50/100
3.50 ~ 3.5
\frac{270}7\text{ degrees} ~ \frac{270}{7}
864 \mbox{ inches}^2 ~ 864
5.4 \text{ cents} ~ 5.4
15\mbox{ cm}^2 ~ 15
\sqrt{8} ~ 2\sqrt{2}
2\sqrt2 ~ \sqrt 8
2\sqrt{113} ~ \sqrt{452}
√13 ~ \sqrt{13}
√(13) ~ \sqrt{13}
sqrt(13) ~ \sqrt{13}
2*sqrt(2) ~ 2\sqrt{2}
\frac{\sqrt{3}}{3} ~ \frac{1}{\sqrt{3}}
\frac{\sqrt{3}}{3} ~ \sqrt{3}/3
\frac{3\sqrt{3}}{4} ~ 3\sqrt{3}/4
\frac{3\sqrt{3}}{4} ~ 0.75\sqrt{3}
1+2\sqrt{3} ~ 2\sqrt{3}+1
11 \sqrt{5} + 11 ~ 11(\sqrt{5}+1)
3 \sqrt{5} \text{ cm} ~ 3\sqrt{5}
\pi ~ π
\pi ~ pi
2\pi ~ 2 pi
2\pi ~ 2π
2\pi ~ 2 \cdot \pi
-\frac{\pi}{6} ~ -\pi/6
-\frac{\pi}{6} ~ \frac{-\pi}{6}
288 \pi ~ 288\pi \text{ cubic inches}
18+2\pi ~ 2(9+\pi)
\frac{20000}{\pi} ~ 20000/\pi
6 - 5i ~ -5i + 6
6 - 5i ~ 6-5i
1+274i ~ 274i+1
1024 ~ 2^{10}
1024 ~ 2^10
1024 ~ 2**10
1024 ~ 4^5
120 ~ 5!
10 ~ \binom{5}{2}
3 ~ \log_2 8
5 ~ \sqrt{25}
5 ~ 2+3
5 ~ 10 \div 2
5 ~ 10 ÷ 2
6 ~ 2 \times 3
6 ~ 2 × 3
6 ~ 2·3
-2 ~ \sqrt[3]{-8}
p - q ~ p-q
p - q ~ -q+p
p - q ~ -(q-p)
2k+2 ~ 2(k+1)
x^3+3x-6 ~ 3x + x^3 - 6
x² ~ x^2
x^{2} ~ x^2
x*x ~ x^2
(a+5)(b+2) ~ ab+2a+5b+10
6r^2-4r-24 ~ 2(3r^2-2r-12)
8n^2 + 4n + 1 ~ 1+4n+8n^2
5r^5 ~ 5 r^5
3R^2 ~ 3 R^{2}
\frac{11+9a}{20} ~ \frac{9a+11}{20}
\frac{11+9a}{20} ~ \frac{11}{20}+\frac{9a}{20}
15x - 80 ~ 5(3x-16)
-13x+3 ~ 3-13x
\cot x ~ \cot(x)
\cot x ~ \frac{\cos x}{\sin x}
\frac{x+1}{x+1} ~ 1
x=5 ~ 5
x = 5 ~ x=5
x=5 ~ x = \frac{10}{2}
y = 2x + 3 ~ y=3+2x
y = 2x + 3 ~ 2x+3
y = -2x ~ -2x
5x - 7y + 11z + 4 = 0 ~ 7y - 5x - 11z - 4 = 0
x \in [-2,7] ~ [-2,7]
3, 5, 7 ~ 3,5,7
3, 5, 7 ~ 7, 5, 3
3, 5, 7 ~ 3, 5 and 7
3, 5, 7 ~ 3, 5, and 7
3, 5, 7 ~ \{3,5,7\}
1,-2 ~ -2,1
1,-2 ~ -2 and 1
1,-2 ~ 1 \text{ or } -2
1,-2 ~ 1 or -2
1,-2 ~ \{ -2, 1 \}
1,200, 1,300 ~ 1200, 1300
1 \pm \sqrt{19} ~ 1+\sqrt{19}, 1-\sqrt{19}
1 \pm \sqrt{19} ~ 1-\sqrt{19},1+\sqrt{19}
1 ± √19 ~ 1 \pm \sqrt{19}
\pm 3 ~ 3, -3
\pm 3 ~ -3 or 3
3 \pm 2 \sqrt{2} ~ 3+2\sqrt{2}, 3-2\sqrt{2}
\{1\pm\sqrt{5},-2\} ~ -2, 1+\sqrt{5}, 1-\sqrt{5}
(3, \frac{\pi}{2}) ~ \left( 3, \frac{\pi}{2} \right)
(3, \frac{\pi}{2}) ~ (3,\pi/2)
(3, \frac{\pi}{2}) ~ (3, 0.5\pi)
(6,31,-1) ~ (6, 31, -1)
(6,31,-1) ~ \left(6, 31, -1\right)
(\frac{3}{2}, -13) ~ (1.5,-13)
(\frac{3}{2}, -13) ~ \left( \dfrac{3}{2}, -13 \right)
(1,200, 3) ~ (1200, 3)
(3,4] ~ \left(3, 4\right]
(-\infty, 0] ~ (-∞,0]
(2,\infty) ~ (2, \infty)
(-\sqrt{3}, \sqrt{3}) ~ (-\sqrt{3},\sqrt3)
(0,9) \cup (9,36) ~ (0,9)\cup(9,36)
(0,9) \cup (9,36) ~ (0, 9) ∪ (9, 36)
(0,9) \cup (9,36) ~ (9,36) \cup (0,9)
(2,12) \cup (12,102) ~ (2, 12) \cup (12, 102)
\begin{pmatrix} -2 \\ -14 \\ -7 \end{pmatrix} ~ \begin{pmatrix}-2\\-14\\-7\end{pmatrix}
\begin{pmatrix} -1 & 0 \\ 0 & -1 \end{pmatrix} ~ \begin{pmatrix} -1 & 0 \\ 0 & -\frac{2}{2} \end{pmatrix}
\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix} ~ \begin{pmatrix} 0.2 \\ -3.6 \end{pmatrix}
52_8 ~ 52_{8}
4210_{5} ~ 4210_5
\text{Evelyn} ~ Evelyn
\text{Evelyn} ~ evelyn
\text{Evelyn} ~ \textbf{Evelyn}
\text{Evelyn} ~ **Evelyn**
\text{east} ~ East
\text{even} ~ \mathrm{even}
\text{ellipse} ~ Ellipse.
\text{(C)} ~ C
\text{(C)} ~ (C)
\text{(C)} ~ \text{C}
\text{(C)} ~ \textbf{(C)}
unanswerable ~ None
unanswerable ~ none
unanswerable ~ N/A
unanswerable ~ unknown
unanswerable ~ \text{None}
unanswerable ~ It cannot be determined.
unanswerable ~ cannot be determined from the given information
unanswerable ~ impossible to determine
unanswerable ~ not enough information
unanswerable ~ Insufficient information
unanswerable ~ There is not enough information to answer the question
\begin{pmatrix} -1/3 \\ 5/3 \end{pmatrix} ~ \begin{pmatrix} -\frac{1}{3} \\ \frac{5}{3} \end{pmatrix}
"""
