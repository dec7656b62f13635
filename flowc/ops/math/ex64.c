
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef void (*F)(double*,const double*,int64_t);
typedef void (*F2)(double*,const double*,const double*,int64_t);
typedef void (*G2)(float*,const float*,const float*,int64_t);
static long double refd(int k,long double x){switch(k){case 0:return expl(x);case 1:return 1/(1+expl(-x));case 2:return tanhl(x);case 3:return logl(x);case 4:return erfl(x);case 5:return sinl(x);case 6:return cosl(x);case 7: return expm1l(x);} return 0;}
static double err(double y,long double r,int mant,int emin,int*bad){
   double rf=mant==52?(double)r:(double)(float)r; 
   if(isnan(rf)||isnan(y)){*bad=!(isnan(rf)&&isnan(y));return 0;}
   if(isinf(rf)||isinf(y)){*bad=rf!=y;return 0;}
   if(signbit(rf)!=signbit(y)){*bad=1;return 0;}
   if(r==0){*bad=y!=0;return 0;}
   int e; frexpl(r,&e); e--; if(e<emin)e=emin;
   return (double)fabsl(ldexpl((long double)y-r,mant-e));
}
void run(F f,int k,const double*x,int64_t n,double*maxu,double*at,uint64_t*bad,double*badat,uint64_t*over){
 double y[4096],z[4096];double m=0;
 for(int64_t i=0;i<n;i+=4096){int c=n-i<4096?n-i:4096; for(int j=0;j<4096;j++)z[j]=j<c?x[i+j]:1; f(y,z,4096);
  for(int j=0;j<c;j++){int b=0;double d=err(y[j],refd(k,z[j]),52,-1022,&b); if(b){(*bad)++;*badat=z[j];} if(d>1)(*over)++; if(d>m){m=d;*at=z[j];}}}
 *maxu=m;}
void run2(F2 f,int64_t n,const double*x,const double*w,double*maxu,double*at,uint64_t*bad,double*badat,uint64_t*over,double lim){
 double y[4096],z[4096],v[4096];double m=0;
 for(int64_t i=0;i<n;i+=4096){int c=n-i<4096?n-i:4096; for(int j=0;j<4096;j++){z[j]=j<c?x[i+j]:1;v[j]=j<c?w[i+j]:1;} f(y,z,v,4096);
  for(int j=0;j<c;j++){int b=0;double d=err(y[j],powl(z[j],v[j]),52,-1022,&b); if(b){(*bad)++;badat[0]=z[j];badat[1]=v[j];badat[2]=y[j];} if(d>lim)(*over)++; if(d>m){m=d;at[0]=z[j];at[1]=v[j];}}}
 *maxu=m;}
void run2f(G2 f,int64_t n,const float*x,const float*w,double*maxu,double*at,uint64_t*bad,double*badat,uint64_t*over,double lim){
 float y[4096],z[4096],v[4096];double m=0;
 for(int64_t i=0;i<n;i+=4096){int c=n-i<4096?n-i:4096; for(int j=0;j<4096;j++){z[j]=j<c?x[i+j]:1;v[j]=j<c?w[i+j]:1;} f(y,z,v,4096);
  for(int j=0;j<c;j++){int b=0;double d=err(y[j],pow(z[j],v[j]),23,-126,&b); if(b){(*bad)++;badat[0]=z[j];badat[1]=v[j];badat[2]=y[j];} if(d>lim)(*over)++; if(d>m){m=d;at[0]=z[j];at[1]=v[j];}}}
 *maxu=m;}
