package dashboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// kind is one of those that the page shows.
type kind struct {
	name, resource string
	cluster        bool // its objects belong to no namespace
	object         v1alpha1.Object
	list           client.ObjectList
}

var kinds = []kind{
	{remote.KindNumber, "phonenumbers", false, &v1alpha1.PhoneNumber{}, &v1alpha1.PhoneNumberList{}},
	{remote.KindPortfolio, "businessportfolios", true, &v1alpha1.BusinessPortfolio{}, &v1alpha1.BusinessPortfolioList{}},
	{remote.KindPool, "numberpools", false, &v1alpha1.NumberPool{}, &v1alpha1.NumberPoolList{}},
	{remote.KindTemplate, "messagetemplates", false, &v1alpha1.MessageTemplate{}, &v1alpha1.MessageTemplateList{}},
}

// key tells objects apart.
type key struct{ kind, namespace, name string }

func keyOf(o v1alpha1.Object) key { return key{remote.KindOf(o), o.GetNamespace(), o.GetName()} }

// watches keep up with the objects that the user may read.
type watches struct {
	api       client.Client
	cache     cache.Cache
	namespace string // empty for all
	changed   func()
	refused   map[string]string // by kind: what the user may not do

	mu      sync.Mutex
	objects map[key]v1alpha1.Object // shared with the cache: nobody may change them
	failing map[string]string       // by kind: why it is not kept up with
}

// watch begins to watch what the user may read in a namespace, or in all where it is empty. It is an error if that is not numbers. Each
// change is told.
func watch(ctx context.Context, config *rest.Config, namespace string, changed func()) (*watches, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), authorizationv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	w := &watches{namespace: namespace, changed: changed, refused: map[string]string{}, objects: map[key]v1alpha1.Object{}, failing: map[string]string{}}
	options := cache.Options{Scheme: scheme, DefaultTransform: cache.TransformStripManagedFields()}
	if namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	var err error
	if w.api, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if w.cache, err = cache.New(config, options); err != nil {
		return nil, err
	}
	for i := range kinds {
		if err := w.begin(ctx, &kinds[i]); err != nil {
			return nil, err
		}
	}
	if refused := w.refused[remote.KindNumber]; refused != "" {
		return nil, errors.New(refused)
	}
	return w, nil
}

// begin watches a kind if the user may.
func (w *watches) begin(ctx context.Context, k *kind) error {
	for _, verb := range []string{"list", "watch"} {
		allowed, err := may(ctx, w.api, verb, k.resource, w.scope(k))
		if err != nil {
			return fmt.Errorf("ask whether %s may be read: %w", k.resource, err)
		}
		if !allowed {
			w.refused[k.name] = fmt.Sprintf("you may not %s %s in %s", verb, k.resource, where(w.scope(k)))
			return nil
		}
	}
	informer, err := w.cache.GetInformer(ctx, k.object, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: w.put, UpdateFunc: func(_, now any) { w.put(now) }, DeleteFunc: w.remove,
	})
	return err
}

// scope is the namespace in which a kind is watched; empty for all.
func (w *watches) scope(k *kind) string {
	if k.cluster {
		return ""
	}
	return w.namespace
}

func where(namespace string) string {
	if namespace == "" {
		return "the whole cluster"
	}
	return "namespace " + namespace
}

// may says whether the user may do something to a resource in a namespace, or in all where it is empty.
func may(ctx context.Context, api client.Writer, verb, resource, namespace string) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: v1alpha1.GroupVersion.Group, Resource: resource, Namespace: namespace},
	}}
	err := api.Create(ctx, review)
	return review.Status.Allowed, err
}

func (w *watches) put(what any) {
	object, ok := what.(v1alpha1.Object)
	if !ok {
		return
	}
	w.mu.Lock()
	w.objects[keyOf(object)] = object
	w.mu.Unlock()
	w.changed()
}

func (w *watches) remove(what any) {
	if unknown, ok := what.(toolscache.DeletedFinalStateUnknown); ok {
		what = unknown.Obj
	}
	object, ok := what.(v1alpha1.Object)
	if !ok {
		return
	}
	w.mu.Lock()
	delete(w.objects, keyOf(object))
	w.mu.Unlock()
	w.changed()
}

// get is an object; nil where there is none that the user may read.
func (w *watches) get(k key) v1alpha1.Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.objects[k]
}

// all are the objects, in no order.
func (w *watches) all() []v1alpha1.Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.AppendSeq(make([]v1alpha1.Object, 0, len(w.objects)), maps.Values(w.objects))
}

// probe looks whether what is watched can be read. A watch that fails tries again by itself, and tells nobody while nothing answers.
func (w *watches) probe(ctx context.Context) {
	for i := range kinds {
		k := &kinds[i]
		list, ok := k.list.DeepCopyObject().(client.ObjectList)
		if _, refused := w.refused[k.name]; refused || !ok {
			continue
		}
		patient, cancel := context.WithTimeout(ctx, probePeriod)
		err := w.api.List(patient, list, client.InNamespace(w.scope(k)), client.Limit(1))
		cancel()
		w.note(k.name, err)
	}
}

// note notes why a kind is not kept up with; nil for that it is.
func (w *watches) note(kind string, err error) {
	w.mu.Lock()
	before, now := w.failing[kind], ""
	if err != nil {
		now = err.Error()
		w.failing[kind] = now
	} else {
		delete(w.failing, kind)
	}
	w.mu.Unlock()
	if now != before {
		w.changed()
	}
}

// problems are why a kind is not shown, or not kept up with.
func (w *watches) problems() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.refused)
	for kind, why := range w.failing {
		all[kind] = "what changes is not known now: " + why
	}
	return all
}
